"""The injected fluid: where it is, how far it has spread, and what about it asks for attention."""

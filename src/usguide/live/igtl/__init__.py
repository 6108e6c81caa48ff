"""OpenIGTLink in both directions: the messages, the links, frames from images, messages from results.

`encode` and `decode` are pure functions on bytes. `IgtlClient` and `IgtlServer` are links with a thread each. `IgtlSource`
gives frames of a server; `result_messages` says what was found in one.
"""

from usguide.live.igtl._link import DEFAULT_PORT, LinkLimits
from usguide.live.igtl.client import IgtlClient
from usguide.live.igtl.codec import decode, encode
from usguide.live.igtl.contents import (
    Attribute,
    Content,
    Image,
    Message,
    NdArray,
    Point,
    Points,
    PolyData,
    Query,
    Reply,
    Status,
    Text,
    Transform,
)
from usguide.live.igtl.crc import crc64
from usguide.live.igtl.frames import IMAGE_POSE, FrameBuilder
from usguide.live.igtl.header import MAX_BODY_BYTES, Header, decode_header
from usguide.live.igtl.parser import MessageParser
from usguide.live.igtl.results import image_message, image_pose, ras_of, result_messages, tip_pose
from usguide.live.igtl.server import IgtlServer
from usguide.live.igtl.sink import IgtlSink
from usguide.live.igtl.source import IgtlSource, ReceivedFrame

__all__ = [
    "DEFAULT_PORT",
    "IMAGE_POSE",
    "MAX_BODY_BYTES",
    "Attribute",
    "Content",
    "FrameBuilder",
    "Header",
    "IgtlClient",
    "IgtlServer",
    "IgtlSink",
    "IgtlSource",
    "Image",
    "LinkLimits",
    "Message",
    "MessageParser",
    "NdArray",
    "Point",
    "Points",
    "PolyData",
    "Query",
    "ReceivedFrame",
    "Reply",
    "Status",
    "Text",
    "Transform",
    "crc64",
    "decode",
    "decode_header",
    "encode",
    "image_message",
    "image_pose",
    "ras_of",
    "result_messages",
    "tip_pose",
]

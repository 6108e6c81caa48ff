// The socket: opens again when it is lost, and takes messages apart.

const RETRY_MS = [300, 5000];

export class Link {
  constructor(onMessage, onChange) {
    this.onMessage = onMessage;
    this.onChange = onChange;
    this.open = false;
    this.count = 0; // of connections: each numbers its pictures from 1
    this.retryMs = RETRY_MS[0];
    this.connect();
  }

  connect() {
    const socket = new WebSocket(`ws://${location.host}/socket${location.search}`);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      this.retryMs = RETRY_MS[0];
      this.open = true;
      this.count += 1;
      this.onChange();
    };
    socket.onmessage = (event) => this.onMessage(unpack(event.data));
    socket.onclose = () => {
      this.open = false;
      this.onChange();
      setTimeout(() => this.connect(), this.retryMs);
      this.retryMs = Math.min(2 * this.retryMs, RETRY_MS[1]);
    };
    this.socket = socket;
  }

  // Returns whether it could be sent.
  send(name, values = {}) {
    if (!this.open) return false;
    this.socket.send(JSON.stringify({ do: name, ...values }));
    return true;
  }
}

function unpack(buffer) {
  const view = new DataView(buffer);
  const text = new TextDecoder();
  const headLength = view.getUint32(0, true);
  const linesLength = view.getUint32(4 + headLength, true);
  const linesAt = 8 + headLength;
  return {
    head: JSON.parse(text.decode(new Uint8Array(buffer, 4, headLength))),
    lines: text.decode(new Uint8Array(buffer, linesAt, linesLength)).split("\n").filter(Boolean),
    jpeg: new Uint8Array(buffer, linesAt + linesLength),
  };
}

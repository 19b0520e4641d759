import { connect } from 'node:net';

const ANSWER_MS = 3_000;
const ANSWER_BYTES_MAX = 64 * 1024;

/** QEMU's word for how a guest is (`running`, `paused`, `shutdown`, `guest-panicked`…), or null where nobody answers. */
export function guestStatus(socketPath: string): Promise<string | null> {
  return new Promise((resolve) => {
    const socket = connect(socketPath);
    let text = '';
    const end = (status: string | null) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(status);
    };
    const timer = setTimeout(() => end(null), ANSWER_MS);
    socket.once('error', () => end(null)).once('close', () => end(null));
    socket.on('data', (piece) => {
      text += piece.toString('utf8');
      if (text.length > ANSWER_BYTES_MAX) return end(null);
      const lines = text.split('\n');
      text = lines.pop() as string;
      for (const line of lines) {
        const message = messageOf(line);
        // QEMU greets; then it takes commands once capabilities are agreed on.
        if (message?.QMP !== undefined) socket.write('{"execute":"qmp_capabilities"}\n{"execute":"query-status"}\n');
        const status = (message?.return as { status?: unknown } | undefined)?.status;
        if (typeof status === 'string') return end(status.slice(0, 64));
      }
    });
  });
}

function messageOf(line: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

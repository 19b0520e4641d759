import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

const TAIL_BYTES = 256 * 1024;
const EVENTS = ['image', 'ready', 'admitted', 'refused', 'draining', 'failed'] as const;

/** What the guest last said on its console; who holds the host can write there too, so it is news and no proof. */
export type GuestNews = Readonly<{
  /** Its last event, and the words of a failure. */
  last: (typeof EVENTS)[number] | null;
  failure: string | null;
  workerId: string | null;
}>;

/** The end of a console's file, as text; empty where there is none. */
export function consoleTail(path: string): string {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch {
    return '';
  }
  try {
    const { size } = fstatSync(file);
    const bytes = new Uint8Array(Math.min(size, TAIL_BYTES));
    const read = readSync(file, bytes, 0, bytes.length, size - bytes.length);
    return new TextDecoder().decode(bytes.subarray(0, read));
  } finally {
    closeSync(file);
  }
}

/** As the kernel says it of a block that does not fit the hash tree, before it stops. */
const CORRUPTED = /device-mapper: verity: \S+ (data|metadata) block (\d{1,15}) is corrupted/;

/** Reads events, one JSON object a line, among the kernel's own lines. A new boot begins with `image`. */
export function newsOf(text: string): GuestNews {
  let news: GuestNews = { last: null, failure: null, workerId: null };
  for (const line of text.split(/\r?\n/)) {
    const event = eventOf(line);
    if (event === null) {
      const [, kind, block] = CORRUPTED.exec(line) ?? [];
      if (block !== undefined) {
        const failure = `the kernel refused a disk: its ${kind} block ${block} is not the one that was measured`;
        news = { ...news, last: 'failed', failure };
      }
      continue;
    }
    if (event.event === 'image') news = { last: 'image', failure: null, workerId: null };
    const workerId =
      typeof event.workerId === 'string' && /^[0-9a-f]{64}$/.test(event.workerId) ? event.workerId : null;
    const failure =
      event.event === 'failed' ? messageOf(event.error) : event.event === 'refused' ? String(event.message) : null;
    news = { last: event.event, failure, workerId: workerId ?? news.workerId };
  }
  return news;
}

type Event = Readonly<{ event: (typeof EVENTS)[number]; workerId?: unknown; message?: unknown; error?: unknown }>;

function eventOf(line: string): Event | null {
  const at = line.indexOf('{"event":');
  if (at < 0) return null;
  try {
    const value = JSON.parse(line.slice(at)) as Event;
    return EVENTS.includes(value.event) ? value : null;
  } catch {
    return null; // the kernel wrote into it
  }
}

function messageOf(error: unknown): string {
  const { message } = (error ?? {}) as { message?: unknown };
  return typeof message === 'string' ? message.slice(0, 400) : 'it did not say why';
}

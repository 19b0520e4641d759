import { type ChatPayload, chatPayloadOf } from './chat-payload.ts';
import { type EmbedPayload, embedPayloadOf } from './embed-payload.ts';
import { jsonRecord } from './payload-json.ts';

export type RequestPayload =
  | Readonly<{ kind: 'chat'; chat: ChatPayload }>
  | Readonly<{ kind: 'embed'; embed: EmbedPayload }>;

/** Reads a sealed request's message. @throws CodedError REQUEST_MALFORMED naming the field, never its content */
export function parseRequestPayload(message: Uint8Array): RequestPayload {
  const record = jsonRecord(message);
  return record.kind === 'embed'
    ? { kind: 'embed', embed: embedPayloadOf(record) }
    : { kind: 'chat', chat: chatPayloadOf(record) };
}

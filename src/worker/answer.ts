import { CodedError } from '../core/index.ts';
import {
  type AcceptedRequest,
  type ChatPayload,
  encodeChatDelta,
  encodeSealedError,
  type Finish,
  parseChatPayload,
  RESPONSE_MESSAGE_MAX,
  type TokenCounts,
} from '../session/index.ts';
import type { Engine } from './engines/index.ts';
import type { ServePart } from './links.ts';

/** A receipt on the way, so that a long answer that is cut is paid for what was delivered. */
const CHECKPOINT_TOKENS = 256;
/** JSON may write one UTF-16 unit as six bytes; the rest of the message is its frame. */
const DELTA_CHARACTERS_MAX = Math.floor((RESPONSE_MESSAGE_MAX - 16) / 6);

/**
 * Runs one accepted request and seals its answer as it comes. Whatever goes wrong once a request has been opened is
 * sealed too: nothing of it shows outside.
 */
export async function* answer(
  accepted: AcceptedRequest,
  engine: Engine,
  signal: AbortSignal,
): AsyncGenerator<ServePart> {
  const { respond, header } = accepted;
  yield { kind: 'preface', preface: respond.preface };
  let payload: ChatPayload;
  try {
    if (accepted.outcome !== 'opened') throw new CodedError('REQUEST_MALFORMED', 'the sealed request cannot be read');
    payload = parseChatPayload(accepted.message);
    accepted.message.fill(0);
  } catch (error) {
    yield* failed(respond, error);
    return;
  }
  const counts = { tokensIn: 0, tokensCached: 0, tokensOut: 0 };
  let checkpointed = 0;
  try {
    const maxTokens = Math.min(payload.maxTokens, header.outputTokensMax);
    for await (const event of engine.generate({ ...payload, maxTokens }, signal)) {
      if (event.kind === 'done') {
        counts.tokensIn = event.tokensIn;
        counts.tokensOut = event.tokensOut;
        yield* ended(respond, event.finish, counts);
        return;
      }
      counts.tokensOut += 1;
      for (const piece of pieces(event.text)) yield { kind: 'frame', frame: respond.data(encodeChatDelta(piece)) };
      if (counts.tokensOut - checkpointed >= CHECKPOINT_TOKENS) {
        checkpointed = counts.tokensOut;
        yield { kind: 'receipt', receipt: await respond.checkpoint(counts) };
      }
    }
    throw new CodedError('INVARIANT_BROKEN', 'the engine ended without saying so');
  } catch (error) {
    if (!respond.ended) yield* failed(respond, error);
  }
}

type Respond = AcceptedRequest['respond'];

async function* ended(respond: Respond, finish: Finish, counts: TokenCounts): AsyncGenerator<ServePart> {
  const { frame, receipt } = await respond.final({ finish, counts });
  yield { kind: 'frame', frame };
  yield { kind: 'receipt', receipt };
}

async function* failed(respond: Respond, error: unknown): AsyncGenerator<ServePart> {
  const coded = error instanceof CodedError ? error : new CodedError('ANSWER_FAILED', 'the engine failed');
  const { frame, receipt } = await respond.error(encodeSealedError(coded.code, coded.message));
  yield { kind: 'frame', frame };
  yield { kind: 'receipt', receipt };
}

/** Never splits a surrogate pair: each piece is text of its own. */
function* pieces(text: string): Generator<string> {
  for (let at = 0; at < text.length; ) {
    let end = Math.min(text.length, at + DELTA_CHARACTERS_MAX);
    if (end < text.length && (text.charCodeAt(end - 1) & 0xfc00) === 0xd800) end -= 1;
    yield text.slice(at, end);
    at = end;
  }
}

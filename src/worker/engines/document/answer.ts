import { CodedError } from '../../../core/index.ts';
import type { Finish } from '../../../session/index.ts';
import type { GenerateEvent, GenerateRequest } from '../engine.ts';
import type { Line } from './reader.ts';

/** What reading gives: a page with what it costs to look at, then its lines. */
export type Reading =
  | Readonly<{ kind: 'page'; tokens: number }>
  | Readonly<{ kind: 'line'; line: Line; image: number }>;

/** A token of an answer, for its price. */
const CHARACTERS_PER_TOKEN = 4;

/**
 * Lines of text with a line feed between, or with the format `json_object` one document:
 * `{"lines":[{"text","box":[[x,y]×4],"score","image"}]}`, boxes in pixels, clockwise from where the line begins, images
 * counted from 0. A text that was begun elsewhere is gone on from: the same image reads the same.
 * @throws CodedError REQUEST_INVALID for a beginning that these images don't have
 */
export function createAnswer(request: Pick<GenerateRequest, 'maxTokens' | 'responseFormat' | 'prefix'>) {
  const json = request.responseFormat?.type === 'json_object';
  const after = withoutBeginning(request.prefix ?? '');
  let tokensIn = 0;
  let tokensOut = 0;
  let lines = 0;
  function* said(piece: string, tokens: number): Generator<GenerateEvent> {
    const text = after(piece);
    if (text === '') return;
    tokensOut += tokens;
    yield { kind: 'delta', delta: { text }, tokens };
  }
  return {
    /** What comes of a reading. */
    *read(reading: Reading): Generator<GenerateEvent> {
      if (reading.kind === 'page') {
        tokensIn += reading.tokens;
        return;
      }
      const room = (request.maxTokens - tokensOut) * CHARACTERS_PER_TOKEN;
      const characters = [...reading.line.text].slice(0, room);
      const line = { ...reading.line, text: characters.join('') };
      const piece = json ? documentPiece(line, reading.image, lines) : (lines === 0 ? '' : '\n') + line.text;
      lines += 1;
      yield* said(piece, Math.ceil(characters.length / CHARACTERS_PER_TOKEN));
    },
    isFull: () => tokensOut >= request.maxTokens,
    /** The end: what was cut stays a document. */
    *end(finish: Finish): Generator<GenerateEvent> {
      if (json) yield* said(`${lines === 0 ? '{"lines":[' : ''}]}`, 0);
      yield { kind: 'done', finish, tokensIn, tokensCached: 0, tokensOut };
    },
  };
}

function documentPiece({ text, box, score }: Line, image: number, before: number): string {
  const rounded = box.map((point) => point.map((at) => Math.round(at * 10) / 10));
  const line = { text, box: rounded, score: Math.round(score * 1_000) / 1_000, image };
  return `${before === 0 ? '{"lines":[' : ','}${JSON.stringify(line)}`;
}

/** What comes after a beginning of the same text. */
function withoutBeginning(beginning: string): (piece: string) => string {
  let left = beginning;
  return (piece) => {
    const both = Math.min(left.length, piece.length);
    if (piece.slice(0, both) !== left.slice(0, both)) {
      throw new CodedError('REQUEST_INVALID', 'the answer was not begun from these images');
    }
    left = left.slice(both);
    return piece.slice(both);
  };
}

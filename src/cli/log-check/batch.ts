import { asCodedError, CodedError, concatAll, fromUtf8, type Json } from '../../core/index.ts';
import { Inputs } from './inputs.ts';
import { OPERATIONS, type Outcome } from './operations.ts';

/** A bundle of 256 entries of 64 KiB in base64 fits. */
const LINE_BYTES_MAX = 32 * 1024 * 1024;

type Answer = Readonly<{
  id: Json;
  ok: boolean;
  error: Readonly<{ code: string; message: string }> | null;
  value: Json;
}>;

function answerText(id: Json, { value, refused }: Outcome): string {
  const error = refused === undefined ? null : { code: refused.code, message: refused.message };
  return JSON.stringify({ id, ok: refused === undefined, error, value } satisfies Answer);
}

/** Answers one line of log-check-protocol: a JSON question in, a JSON answer out. Never throws. */
export async function answerLine(line: Uint8Array): Promise<string> {
  let id: Json = null;
  try {
    const question = parseQuestion(line);
    id = question.id;
    const operation = Object.hasOwn(OPERATIONS, question.op) ? OPERATIONS[question.op] : undefined;
    if (operation === undefined) throw new CodedError('USAGE_INVALID', 'op: not a known question');
    return answerText(id, await operation(new Inputs(question.fields)));
  } catch (thrown) {
    return answerText(id, { value: null, refused: asCodedError(thrown) });
  }
}

function parseQuestion(line: Uint8Array): { id: Json; op: string; fields: Readonly<Record<string, unknown>> } {
  let question: unknown;
  try {
    question = JSON.parse(fromUtf8(line, 'question'));
  } catch {
    throw new CodedError('USAGE_INVALID', 'the line is not JSON');
  }
  if (typeof question !== 'object' || question === null || Array.isArray(question)) {
    throw new CodedError('USAGE_INVALID', 'the line is not an object');
  }
  const fields = question as Readonly<Record<string, unknown>>;
  const { id, op } = fields;
  if (typeof id !== 'string' && typeof id !== 'number') throw new CodedError('USAGE_INVALID', 'id: text is needed');
  return { id, op: typeof op === 'string' ? op : '', fields };
}

/** Answers each line of a stream, in order. A line above the bound is refused without being kept. */
export async function* answerBatch(input: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const line = new Line();
  for await (const chunk of input) {
    let start = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      line.add(chunk.subarray(start, end));
      yield* line.answer();
      start = end + 1;
    }
    line.add(chunk.subarray(start));
  }
  yield* line.answer();
}

class Line {
  #parts: Uint8Array[] = [];
  #length = 0;

  add(part: Uint8Array): void {
    this.#length += part.length;
    if (this.#length <= LINE_BYTES_MAX) this.#parts.push(part);
    else this.#parts = [];
  }

  /** Answers what was added since, unless it was blank. */
  async *answer(): AsyncGenerator<string> {
    const [bytes, length] = [concatAll(this.#parts), this.#length];
    this.#parts = [];
    this.#length = 0;
    if (length > LINE_BYTES_MAX) yield answerText(null, { value: null, refused: tooLong() });
    else if (!isBlank(bytes)) yield await answerLine(bytes);
  }
}

const tooLong = () => new CodedError('USAGE_INVALID', 'the line is too long');

function isBlank(line: Uint8Array): boolean {
  return line.every((byte) => byte === 0x20 || byte === 0x0d || byte === 0x09);
}

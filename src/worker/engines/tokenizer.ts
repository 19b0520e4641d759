import { Template } from '@huggingface/jinja';
import { Tokenizer } from '@huggingface/tokenizers';
import { type Bytes, CodedError, fromUtf8, utf8 } from '../../core/index.ts';
import { type TokenText, textByDecoding, textOfByteTokens } from './answer-text.ts';
import type { RenderTemplate } from './prompt.ts';

type Files = ReadonlyMap<string, Bytes>;
type JsonRecord = Readonly<Record<string, unknown>>;

/** A model's JSON file as a record. @throws CodedError MODEL_INVALID naming the file */
export function jsonFile(files: Files, path: string): JsonRecord {
  const content = files.get(path);
  if (content === undefined) return {};
  let value: unknown;
  try {
    value = JSON.parse(fromUtf8(content, path));
  } catch (cause) {
    throw new CodedError('MODEL_INVALID', `${path} is not JSON`, { file: path }, { cause });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new CodedError('MODEL_INVALID', `${path} is not a JSON object`, { file: path });
  }
  return value as JsonRecord;
}

export type ModelTokenizer = Readonly<{
  encode(text: string, addSpecialTokens: boolean): number[];
  /** A fresh stream of text for one answer; special tokens have no text. */
  text(): TokenText;
  /** A token's own bytes; empty for special tokens. */
  bytesOf(tokenId: number): Uint8Array;
  specialTokens: readonly string[];
  template: RenderTemplate | null;
}>;

/** Loads tokenizer.json, tokenizer_config.json and the chat template. @throws CodedError MODEL_INVALID */
export function loadTokenizer(files: Files): ModelTokenizer {
  const described = jsonFile(files, 'tokenizer.json');
  const config = jsonFile(files, 'tokenizer_config.json');
  try {
    const tokenizer = new Tokenizer(described, config);
    const added = [...tokenizer.get_added_tokens_decoder().values()].filter((token) => token.special);
    const decode = (ids: number[]) =>
      tokenizer.decode(ids, { skip_special_tokens: true, clean_up_tokenization_spaces: false });
    const bytesOf = isByteLevel(described)
      ? byteTable(
          tokenizer,
          added.map((token) => token.id),
        )
      : null;
    return {
      encode: (text, addSpecialTokens) => tokenizer.encode(text, { add_special_tokens: addSpecialTokens }).ids,
      text: () => (bytesOf === null ? textByDecoding(decode) : textOfByteTokens(bytesOf)),
      bytesOf: (tokenId) => (bytesOf === null ? utf8(decode([tokenId])) : (bytesOf(tokenId) ?? new Uint8Array(0))),
      specialTokens: added.map((token) => token.content).filter((content) => content.length > 1),
      template: chatTemplate(files, config),
    };
  } catch (cause) {
    if (cause instanceof CodedError) throw cause;
    throw new CodedError('MODEL_INVALID', 'the tokenizer or its chat template cannot be read', {}, { cause });
  }
}

function isByteLevel(described: JsonRecord): boolean {
  return (described.decoder as JsonRecord | null | undefined)?.type === 'ByteLevel';
}

/**
 * The bytes of every token of a byte-level vocabulary, which writes each byte as one printable character: the
 * printable bytes of Latin-1 as themselves, the others, in order, as the characters from U+0100 on.
 */
function byteTable(tokenizer: Tokenizer, special: readonly number[]): (tokenId: number) => Uint8Array | null {
  const byteOf = new Map<string, number>();
  let next = 0x100;
  for (let byte = 0; byte < 256; byte++) {
    const printable = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
    byteOf.set(String.fromCodePoint(printable ? byte : next++), byte);
  }
  const added = tokenizer.get_added_tokens_decoder();
  const table: Uint8Array[] = [];
  for (const [token, id] of tokenizer.get_vocab()) {
    const bytes = [...token].map((character) => byteOf.get(character));
    const plain = added.has(id) || bytes.includes(undefined);
    table[id] = plain ? utf8(token) : Uint8Array.from(bytes as number[]);
  }
  const without = new Set(special);
  return (tokenId) => (without.has(tokenId) ? null : (table[tokenId] ?? null));
}

function chatTemplate(files: Files, config: JsonRecord): RenderTemplate | null {
  const file = files.get('chat_template.jinja');
  const source = file === undefined ? templateIn(config.chat_template) : fromUtf8(file, 'chat_template.jinja');
  if (source === null) return null;
  const template = new Template(source);
  const constants = { bos_token: tokenText(config.bos_token), eos_token: tokenText(config.eos_token) };
  return (messages) => template.render({ messages, add_generation_prompt: true, ...constants });
}

/** One template, or a list of named ones of which `default` is for chat. */
function templateIn(value: unknown): string | null {
  if (typeof value === 'string') return value;
  if (!Array.isArray(value)) return null;
  const found = (value as { name?: unknown; template?: unknown }[]).find((one) => one?.name === 'default');
  return typeof found?.template === 'string' ? found.template : null;
}

function tokenText(value: unknown): string {
  if (typeof value === 'string') return value;
  const content = (value as { content?: unknown } | null | undefined)?.content;
  return typeof content === 'string' ? content : '';
}

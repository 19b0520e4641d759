import {
  type Bytes,
  CodedError,
  canonicalJsonBytes,
  concat,
  fromUtf8,
  leafHash,
  merkleRoot,
  parseStrictJson,
  toHex,
  utf8,
} from '../core/index.ts';
import type { Digest, Leaf, ParsedLeaf } from '../log/index.ts';

/** A snapshot lists no more than this: a log with more keeps going without one. */
export const STATE_FACTS_MAX = 50_000;
const FACTS_PER_VALUE = 4;
const FACT = /^(?:worker|policy|image|key):[^\0]{1,300}$/;

/**
 * What is in force after some entries, as facts: `worker:sha256:…` who is in, `policy:ROUTER` its policy in force,
 * `image:NAME@VERSION`, `key:NAME` replaced. Each has for value the index of the entry it rests on, for a policy its
 * digest as well. Everybody who reads the same entries comes to the same facts (audit-log-design section 2,
 * `state-snapshot`).
 */
export class LogState {
  readonly #facts: Map<string, string>;
  /** Entries that were taken: all below this index. */
  #size: number;

  constructor(size = 0, facts: ReadonlyMap<string, string> = new Map()) {
    this.#size = size;
    this.#facts = new Map(facts);
  }

  get size(): number {
    return this.#size;
  }

  /** Takes the next entry. One of an unknown type or version changes nothing. */
  apply(index: number, parsed: ParsedLeaf): void {
    this.#size = index + 1;
    if (!parsed.known) return;
    const { type, src, body } = parsed.leaf;
    switch (type) {
      case 'worker-admitted':
        this.#facts.set(`worker:${(body as Leaf<'worker-admitted'>['body']).workerKey}`, String(index));
        return;
      case 'evicted':
        this.#facts.delete(`worker:${(body as Leaf<'evicted'>['body']).workerKey}`);
        return;
      case 'policy-published':
        this.#facts.set(`policy:${src}`, `${index} ${(body as Leaf<'policy-published'>['body']).policyDigest}`);
        return;
      case 'image-registered': {
        const { name, version } = body as Leaf<'image-registered'>['body'];
        this.#facts.set(`image:${name}@${version}`, String(index));
        return;
      }
      case 'key-rotation':
        this.#facts.set(`key:${(body as Leaf<'key-rotation'>['body']).old}`, String(index));
        return;
      default:
        return;
    }
  }

  /** Names of the facts that begin so. */
  facts(prefix: string): readonly string[] {
    return [...this.#facts.keys()].filter((name) => name.startsWith(prefix));
  }

  /** The facts, sorted by name: what a `state-snapshot` archives. @throws CodedError BUNDLE_TOO_LARGE */
  encode(): Bytes {
    if (this.#facts.size > STATE_FACTS_MAX) {
      throw new CodedError('BUNDLE_TOO_LARGE', `a snapshot has at most ${STATE_FACTS_MAX} facts`);
    }
    return canonicalJsonBytes(Object.fromEntries(this.#sorted()));
  }

  /** Root of the tree over `name 0x00 value`, sorted by name: a fact, or that there is none, can be proven from it. */
  root(): Digest {
    return `sha256:${toHex(merkleRoot(this.#sorted().map(([name, value]) => leafHash(concat(utf8(`${name}\0`), utf8(value))))))}`;
  }

  /** @throws CodedError ENCODING_INVALID, LOG_LEAF_INVALID */
  static parse(size: number, archived: Uint8Array): LogState {
    const value = parseStrictJson(fromUtf8(archived, 'state'), 'state', STATE_FACTS_MAX * FACTS_PER_VALUE);
    const wrong = () => new CodedError('LOG_LEAF_INVALID', 'state: not a map of facts');
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong();
    const facts = new Map<string, string>();
    for (const [name, fact] of Object.entries(value)) {
      if (!FACT.test(name) || typeof fact !== 'string') throw wrong();
      facts.set(name, fact);
    }
    return new LogState(size, facts);
  }

  /** By the order of UTF-16 units, as canonical JSON sorts names. */
  #sorted(): readonly (readonly [string, string])[] {
    return [...this.#facts].sort(([a], [b]) => (a < b ? -1 : 1));
  }
}

import { CodedError } from '../../../core/index.ts';

export const XML_CHARACTERS_MAX = 256 * 1024;
export const XML_DEPTH_MAX = 16;
export const XML_NODES_MAX = 4096;
export const XML_ATTRIBUTES_MAX = 128;

export type XmlAttribute = Readonly<{ name: string; prefix: string; local: string; namespace: string; value: string }>;
export type XmlElement = Readonly<{
  /** As written, with its prefix. */
  name: string;
  prefix: string;
  local: string;
  namespace: string;
  attributes: readonly XmlAttribute[];
  /** What this element declares: prefix ('' for the default) → namespace. */
  declared: ReadonlyMap<string, string>;
  /** Everything in scope, its own declarations included. */
  inScope: ReadonlyMap<string, string>;
  children: readonly (XmlElement | string)[];
}>;

const NAME = /[A-Za-z_][A-Za-z0-9_.-]*(?::[A-Za-z_][A-Za-z0-9_.-]*)?/y;
const SPACE = /[ \t\n]*/y;
// Neither angle bracket, so that a value never looks like markup to a simpler reader.
const VALUE = /"[^"<>]*"/y;
const TEXT = /[^<]*/y;
const NO_ENTITY = /&(?!(?:amp|lt|gt|quot|apos);)/;
// The characters of XML 1.0 in the one form that needs no normalization: no carriage return.
const ALLOWED = /^[\t\n\x20-\x7e\u00a0-\ud7ff\ue000-\ufefe\uff00-\ufffd]*$/;

type Attributes = { plain: Map<string, string>; declared: Map<string, string> };

/**
 * Parses the small part of XML 1.0 with namespaces that NVIDIA's manifests use: elements, attributes in double quotes,
 * text and the five entities. Everything else is refused: XML and document type declarations, comments, processing
 * instructions, CDATA, character references, `xml:` attributes, carriage returns, byte order marks, anything but white
 * space around the root. Linear time.
 * @throws CodedError ENDORSEMENT_MALFORMED, `facts.offset` in characters
 */
export function parseXml(text: string): XmlElement {
  if (text.length > XML_CHARACTERS_MAX) {
    throw new CodedError('ENDORSEMENT_MALFORMED', `XML of more than ${XML_CHARACTERS_MAX} characters`);
  }
  return new Parser(text).document();
}

class Parser {
  readonly #text: string;
  #at = 0;
  #nodes = 0;

  constructor(text: string) {
    this.#text = text;
    if (!ALLOWED.test(text)) throw this.#error('a character that is not allowed');
  }

  document(): XmlElement {
    const root = this.#element(new Map(), 0);
    this.#take(SPACE);
    if (this.#at !== this.#text.length) throw this.#error('something after the root');
    return root;
  }

  #element(outer: ReadonlyMap<string, string>, depth: number): XmlElement {
    if (depth === XML_DEPTH_MAX) throw this.#error(`nested deeper than ${XML_DEPTH_MAX}`);
    this.#count();
    this.#expect('<');
    const name = this.#name();
    const { plain, declared } = this.#attributes();
    const inScope = declared.size === 0 ? outer : new Map([...outer, ...declared]);
    const [prefix, local] = split(name);
    const children = this.#literal('/>') ? [] : this.#content(name, inScope, depth);
    return {
      name,
      prefix,
      local,
      namespace: prefix === '' ? (inScope.get('') ?? '') : this.#namespace(prefix, inScope),
      attributes: this.#resolve(plain, inScope),
      declared,
      inScope,
      children,
    };
  }

  #content(name: string, inScope: ReadonlyMap<string, string>, depth: number): (XmlElement | string)[] {
    this.#expect('>');
    const children: (XmlElement | string)[] = [];
    for (;;) {
      const text = this.#take(TEXT);
      if (text !== '') {
        this.#count();
        if (text.includes(']]>')) throw this.#error(']]> in text');
        children.push(this.#unescape(text));
      }
      if (this.#literal('</')) break;
      children.push(this.#element(inScope, depth + 1));
    }
    if (this.#name() !== name) throw this.#error('an end tag of another element');
    this.#take(SPACE);
    this.#expect('>');
    return children;
  }

  #attributes(): Attributes {
    const plain = new Map<string, string>();
    const declared = new Map<string, string>();
    for (;;) {
      const space = this.#take(SPACE);
      const next = this.#text[this.#at];
      if (next === '>' || next === '/') return { plain, declared };
      if (space === '') throw this.#error('no space before an attribute');
      if (plain.size + declared.size === XML_ATTRIBUTES_MAX) throw this.#error('too many attributes');
      const name = this.#name();
      this.#expect('=');
      const quoted = this.#take(VALUE);
      if (quoted === '') throw this.#error('not an attribute value');
      if (/[\t\n]/.test(quoted)) throw this.#error('a line end in an attribute value');
      const value = this.#unescape(quoted.slice(1, -1));
      const [prefix, local] = split(name);
      if (prefix === 'xml' || local === 'xml') throw this.#error('a name that XML reserves');
      const isDeclaration = name === 'xmlns' || prefix === 'xmlns';
      const map = isDeclaration ? declared : plain;
      const key = isDeclaration ? (name === 'xmlns' ? '' : local) : name;
      if (map.has(key)) throw this.#error('an attribute twice');
      if (isDeclaration && !isNamespaceName(value)) throw this.#error('not an absolute namespace name');
      map.set(key, value);
    }
  }

  #resolve(plain: ReadonlyMap<string, string>, inScope: ReadonlyMap<string, string>): XmlAttribute[] {
    const seen = new Set<string>();
    return [...plain].map(([name, value]) => {
      const [prefix, local] = split(name);
      const namespace = prefix === '' ? '' : this.#namespace(prefix, inScope);
      const expanded = `${namespace} ${local}`;
      if (seen.has(expanded)) throw this.#error('an attribute twice');
      seen.add(expanded);
      return { name, prefix, local, namespace, value };
    });
  }

  #namespace(prefix: string, inScope: ReadonlyMap<string, string>): string {
    const namespace = inScope.get(prefix);
    if (namespace === undefined) throw this.#error('a prefix that is not declared');
    return namespace;
  }

  #unescape(text: string): string {
    if (!text.includes('&')) return text;
    if (NO_ENTITY.test(text)) throw this.#error('not one of the five entities');
    const others = text
      .replaceAll('&lt;', '<')
      .replaceAll('&gt;', '>')
      .replaceAll('&quot;', '"')
      .replaceAll('&apos;', "'");
    return others.replaceAll('&amp;', '&'); // last: what it leaves begins no entity
  }

  #name(): string {
    const name = this.#take(NAME);
    if (name === '') throw this.#error('not a name');
    return name;
  }

  #take(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0] ?? '';
    this.#at += found.length;
    return found;
  }

  #literal(expected: string): boolean {
    if (!this.#text.startsWith(expected, this.#at)) return false;
    this.#at += expected.length;
    return true;
  }

  #expect(expected: string): void {
    if (!this.#literal(expected)) throw this.#error(`no ${expected} where one belongs`);
  }

  #count(): void {
    if (++this.#nodes > XML_NODES_MAX) throw this.#error(`more than ${XML_NODES_MAX} nodes`);
  }

  #error(why: string): CodedError {
    return new CodedError('ENDORSEMENT_MALFORMED', `XML at character ${this.#at}: ${why}`, { offset: this.#at });
  }
}

function split(name: string): [prefix: string, local: string] {
  const colon = name.indexOf(':');
  return colon === -1 ? ['', name] : [name.slice(0, colon), name.slice(colon + 1)];
}

/** Absolute, and none of the two that XML itself reserves. */
function isNamespaceName(value: string): boolean {
  return /^[a-z]+:[^ ]+$/.test(value) && !/^http:\/\/www\.w3\.org\/(XML\/1998\/namespace|2000\/xmlns\/)$/.test(value);
}

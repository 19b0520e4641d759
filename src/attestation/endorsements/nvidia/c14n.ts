import type { XmlAttribute, XmlElement } from './xml.ts';

/**
 * Canonical XML 1.1 (http://www.w3.org/2006/12/xml-c14n11), inclusive and without comments, of one element as the apex:
 * with every namespace in scope. The trees of `parseXml` hold no `xml:` attributes, for which alone 1.1 differs from 1.0.
 * @param omit a child of the apex that is left out: the enveloped signature (XML Signature section 6.6.4)
 */
export function canonicalize(apex: XmlElement, omit: XmlElement | null = null): string {
  const out: string[] = [];
  write(apex, new Map(), omit, out, apex.inScope);
  return out.join('');
}

function write(
  element: XmlElement,
  rendered: ReadonlyMap<string, string>,
  omit: XmlElement | null,
  out: string[],
  declarations: ReadonlyMap<string, string>,
): void {
  const fresh = [...declarations].filter(([prefix, namespace]) => rendered.get(prefix) !== namespace);
  fresh.sort(([a], [b]) => (a < b ? -1 : 1));
  const names = fresh.map(([prefix, uri]) => ` ${prefix === '' ? 'xmlns' : `xmlns:${prefix}`}="${attributeText(uri)}"`);
  const attributes = [...element.attributes].sort(byNamespaceThenName);
  out.push(
    `<${element.name}`,
    ...names,
    ...attributes.map(({ name, value }) => ` ${name}="${attributeText(value)}"`),
    '>',
  );
  const below = fresh.length === 0 ? rendered : new Map([...rendered, ...fresh]);
  for (const child of element.children) {
    if (typeof child === 'string') out.push(contentText(child));
    else if (child !== omit) write(child, below, omit, out, child.declared);
  }
  out.push(`</${element.name}>`);
}

/** Unprefixed attributes first: their namespace is empty. */
function byNamespaceThenName(a: XmlAttribute, b: XmlAttribute): number {
  if (a.namespace !== b.namespace) return a.namespace < b.namespace ? -1 : 1;
  return a.local < b.local ? -1 : 1;
}

function attributeText(text: string): string {
  if (!/[&<"]/.test(text)) return text; // no tabs or line ends: the parser refuses them in attributes
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}

function contentText(text: string): string {
  if (!/[&<>]/.test(text)) return text; // no carriage returns: the parser refuses them
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

import { type Bytes, CodedError } from '../../../core/index.ts';

export type ListBounds = Readonly<{ itemsMax: number; itemBytesMax: number }>;

/**
 * Reads `LP(item) ‖ LP(item) ‖ …` to the end of the field, exactly.
 * @throws CodedError OBJECT_MALFORMED where a length does not fit, an item is too long, or there are too many
 */
export function readLengthPrefixed(field: Uint8Array, structure: string, bounds: ListBounds): Bytes[] {
  const items: Bytes[] = [];
  const view = new DataView(field.buffer, field.byteOffset, field.length);
  let at = 0;
  while (at < field.length) {
    const malformed = (why: string) =>
      new CodedError('OBJECT_MALFORMED', `${structure}[${items.length}] at byte ${at}: ${why}`, {
        structure,
        offset: at,
      });
    if (items.length === bounds.itemsMax) throw malformed(`more than ${bounds.itemsMax} items`);
    if (field.length - at < 4) throw malformed('length prefix cut short');
    const length = view.getUint32(at, false);
    if (length > field.length - at - 4) throw malformed(`declares ${length} bytes, ${field.length - at - 4} left`);
    if (length > bounds.itemBytesMax) throw malformed(`more than ${bounds.itemBytesMax} bytes`);
    items.push(Uint8Array.from(field.subarray(at + 4, at + 4 + length)));
    at += 4 + length;
  }
  return items;
}

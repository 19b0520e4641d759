import { Cell, type TupleItem } from '@ton/core';
import { CodedError } from '../../core/index.ts';

/** Arguments of a get-method, and the depth of tuples in its answer. */
const ARGUMENTS_MAX = 64;
const DEPTH_MAX = 16;

const base64 = (cell: Cell) => cell.toBoc().toString('base64');
const hex = (value: bigint) => (value < 0n ? `-0x${(-value).toString(16)}` : `0x${value.toString(16)}`);
const unsupported = (what: string) => new CodedError('CHAIN_REFUSED', `stack: ${what} is not supported`);

/** toncenter's form of the arguments a client sends. @throws CodedError CHAIN_REFUSED */
export function parseArguments(stack: unknown): TupleItem[] {
  if (!Array.isArray(stack) || stack.length > ARGUMENTS_MAX) throw unsupported('such a list of arguments');
  return stack.map((item): TupleItem => {
    const [type, value] = Array.isArray(item) ? (item as unknown[]) : [];
    if ((type === 'num' || type === 'int') && (typeof value === 'string' || typeof value === 'number')) {
      const text = String(value);
      if (!/^-?(0x[0-9a-fA-F]{1,64}|\d{1,78})$/.test(text)) throw unsupported('this number');
      return { type: 'int', value: text.startsWith('-') ? -BigInt(text.slice(1)) : BigInt(text) };
    }
    if (typeof value !== 'string') throw unsupported('an argument without a value');
    const kind = { 'tvm.Cell': 'cell', 'tvm.Slice': 'slice', 'tvm.Builder': 'builder' }[String(type)];
    if (kind === undefined) throw unsupported('this type of argument');
    try {
      return { type: kind as 'cell' | 'slice' | 'builder', cell: Cell.fromBase64(value) };
    } catch {
      throw unsupported('an argument that is no bag of cells');
    }
  });
}

/** toncenter's form of a get-method's answer. */
export function stackToJson(stack: readonly TupleItem[]): unknown[] {
  return stack.map((item) => {
    switch (item.type) {
      case 'int':
        return ['num', hex(item.value)];
      case 'null':
        return ['null'];
      case 'cell':
      case 'slice':
      case 'builder':
        return [item.type, { bytes: base64(item.cell) }];
      case 'tuple':
        return ['tuple', { '@type': 'tvm.tuple', elements: item.items.map((element) => elementToJson(element, 1)) }];
      default:
        throw unsupported('an answer that is not a number');
    }
  });
}

/** Inside a tuple, items are written another way. */
function elementToJson(item: TupleItem, depth: number): unknown {
  if (depth > DEPTH_MAX) throw unsupported('a tuple this deep');
  switch (item.type) {
    case 'int':
      return {
        '@type': 'tvm.stackEntryNumber',
        number: { '@type': 'tvm.numberDecimal', number: item.value.toString() },
      };
    case 'null':
      return { '@type': 'tvm.stackEntryList', list: { '@type': 'tvm.list', elements: [] } };
    case 'cell':
      return { '@type': 'tvm.stackEntryCell', cell: { '@type': 'tvm.cell', bytes: base64(item.cell) } };
    case 'slice':
    case 'builder':
      return { '@type': 'tvm.stackEntrySlice', slice: { '@type': 'tvm.slice', bytes: base64(item.cell) } };
    case 'tuple': {
      const elements = item.items.map((element) => elementToJson(element, depth + 1));
      return { '@type': 'tvm.stackEntryTuple', tuple: { '@type': 'tvm.tuple', elements } };
    }
    default:
      throw unsupported('an answer that is not a number');
  }
}

import { type Bytes, CodedError, fromBase64, toBase64 } from '../../core/index.ts';

/** Writes a value as JSON and reads it back exactly: nothing missing, nothing more, nothing of another type. */
export type Shape<Value> = Readonly<{
  write(value: Value): unknown;
  /** @throws CodedError REQUEST_MALFORMED naming the field */
  read(json: unknown, field: string): Value;
}>;

const malformed = (field: string) => new CodedError('REQUEST_MALFORMED', `${field} is missing or wrong`, { field });

const BASE64_CHARACTERS_MAX = 4 * 1024 * 1024;

/** Base64. */
export const bytes: Shape<Bytes> = {
  write: toBase64,
  read(json, field) {
    if (typeof json !== 'string' || json.length > BASE64_CHARACTERS_MAX) throw malformed(field);
    try {
      return fromBase64(json, field);
    } catch {
      throw malformed(field);
    }
  },
};

export const text = (charactersMax: number): Shape<string> => ({
  write: (value) => value,
  read(json, field) {
    if (typeof json !== 'string' || json.length > charactersMax) throw malformed(field);
    return json;
  },
});

/** A whole number that JSON carries exactly; times too. */
export const whole: Shape<number> = {
  write: (value) => value,
  read(json, field) {
    if (!Number.isSafeInteger(json)) throw malformed(field);
    return json as number;
  },
};

/** Amounts and salts: decimal text, without sign or leading zeros. */
export const amount: Shape<bigint> = {
  write: (value) => value.toString(),
  read(json, field) {
    if (typeof json !== 'string' || !/^(0|[1-9][0-9]{0,36})$/.test(json)) throw malformed(field);
    return BigInt(json);
  },
};

export function list<Item>(of: Shape<Item>, most: number): Shape<readonly Item[]> {
  return {
    write: (items) => items.map(of.write),
    read(json, field) {
      if (!Array.isArray(json) || json.length > most) throw malformed(field);
      return json.map((item) => of.read(item, field));
    },
  };
}

export function record<Value extends object>(
  fields: Readonly<{ [Name in keyof Value]: Shape<Value[Name]> }>,
): Shape<Readonly<Value>> {
  const shapes = Object.entries(fields) as [keyof Value & string, Shape<unknown>][];
  const names = shapes.map(([name]) => name as string);
  return {
    write: (value) => Object.fromEntries(shapes.map(([name, shape]) => [name, shape.write(value[name])])),
    read(json, field) {
      if (typeof json !== 'object' || json === null || Array.isArray(json)) throw malformed(field);
      const given = json as Record<string, unknown>;
      const more = Object.keys(given).find((name) => !names.includes(name));
      if (more !== undefined) throw malformed(more.slice(0, 32));
      return Object.fromEntries(shapes.map(([name, shape]) => [name, shape.read(given[name], name)])) as Value;
    },
  };
}

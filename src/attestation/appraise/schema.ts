import { z } from 'zod';

/** What the parts of a policy document are written with. */

const LIST_MAX = 256;

/** Lower-case hexadecimal of exactly so many bytes. */
export function hex(bytes: number) {
  return z.string().regex(new RegExp(`^[0-9a-f]{${2 * bytes}}$`), `${2 * bytes} lower-case hexadecimal digits`);
}

export function listOf<T extends z.ZodType>(item: T) {
  return z.array(item).max(LIST_MAX);
}

/**
 * When an image stops being accepted, RFC 3339 in UTC; absent: with the policy. So an old image and its successor overlap,
 * and the old one ends without anybody having to remember it.
 */
export const AcceptedUntil = z.iso.datetime({ precision: 0 }).optional();

const LABEL_MAX = 64;

/** Labels come from workers and operators, and end on screens and in logs. */
export function printable(label: string): string {
  return label.replace(/[^\p{L}\p{N} ._:@/+-]/gu, '').slice(0, LABEL_MAX);
}

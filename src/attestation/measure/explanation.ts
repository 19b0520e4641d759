/** An input that, taken otherwise than the caller did, leads to the measurement in the evidence. */
export type Difference = Readonly<{
  input:
    | 'firmware'
    | 'kernel'
    | 'initrd'
    | 'commandLine'
    | 'vcpus'
    | 'vcpuType'
    | 'guestFeatures'
    | 'vmm'
    | 'memory'
    | 'qemuVersion'
    | 'secureBoot'
    | 'acpi'
    | 'bootVariables'
    | 'events';
  /** As the caller gave it, and as the evidence has it, in words. */
  given: string;
  found: string;
}>;

/**
 * 'matches': the inputs lead to the evidence. 'explained': they do with the differences. 'unexplained': no input that was
 * tried does. 'notComputed': an input is missing.
 */
export type Explanation = Readonly<{
  outcome: 'matches' | 'explained' | 'unexplained' | 'notComputed';
  differences: readonly Difference[];
  /** Combinations that were computed. */
  tried: number;
}>;

/** A value to try: what the caller gave has no difference. */
export type Variant<T> = Readonly<{ value: T; differences: readonly Difference[] }>;

/** Files of other releases and other texts, which the caller suspects. */
export type Others<T> = readonly Readonly<{ label: string; value: T }>[];

/** The caller's value first, then the neighbours, each once. */
export function variantsOf<T>(
  input: Difference['input'],
  given: Readonly<{ label: string; value: T }>,
  others: Others<T>,
): readonly Variant<T>[] {
  return [
    { value: given.value, differences: [] },
    ...others.map(({ label, value }) => ({ value, differences: [{ input, given: given.label, found: label }] })),
  ];
}

/** Texts that people take for the same command line. */
export function neighbouringCommandLines(commandLine: string, others: readonly string[]): Others<string> {
  const trimmed = commandLine.trim();
  const near = [
    ...others,
    trimmed,
    `${trimmed}\n`,
    `${trimmed} `,
    ` ${trimmed}`,
    trimmed.replace(/ +/g, ' '),
    `${trimmed} initrd=initrd`,
    trimmed.replace(/ initrd=initrd$/, ''),
    `${trimmed} console=ttyS0`,
    trimmed.replace(/ ?\bconsole=\S+/g, '').trim(),
    `${trimmed} quiet`,
    trimmed.replace(/ ?\bquiet\b/, '').trim(),
    '',
  ];
  return [...new Set(near)].filter((text) => text !== commandLine).map((value) => ({ label: quoted(value), value }));
}

export function quoted(text: string): string {
  return JSON.stringify(text);
}

import { CodedError } from '../../core/index.ts';

const MACHINE_NAME = /^[a-z0-9][a-z0-9.-]{0,62}$/;

/** @throws CodedError CONFIG_INVALID */
export function checkedMachineName(name: string): string {
  if (MACHINE_NAME.test(name)) return name;
  throw new CodedError('CONFIG_INVALID', 'a machine name is 1 to 63 of a-z, 0-9, dot and hyphen', {
    length: name.length,
  });
}

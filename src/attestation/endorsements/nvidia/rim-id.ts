import type { DeviceFields, NvidiaArchitecture } from '../../evidence/nvidia/index.ts';

export type RimRole = 'driver' | 'vbios' | 'switch';
/** What a manifest for a role of a device must be. */
export type RimDemand = Readonly<{ role: RimRole; id: string; version: string; product: string; edition: string }>;

/** NVIDIA names switch manifests by these constants, the LS10's project, SKU and chip SKU. */
const SWITCH_MODEL = '5612_0002_890';

/**
 * The manifests that judge a device, by the ids under which NVIDIA's RIM service has them. The id names what the file
 * itself does not hold (project and SKU), so ids and files are to be kept together.
 */
export function rimDemands(fields: DeviceFields, architecture: NvidiaArchitecture, chip: string): readonly RimDemand[] {
  if (fields.kind === 'switch') {
    const version = fields.biosVersion;
    const id = `NV_SWITCH_BIOS_${SWITCH_MODEL}_${compact(version)}`;
    return [{ role: 'switch', id, version, product: 'LS10', edition: 'SWITCH' }];
  }
  const product = fields.chipInfo ?? chip;
  const { driverVersion, vbiosVersion, project, projectSku, chipSku } = fields;
  // The Hopper-style id for a Blackwell driver exists, validly signed, and is about something else.
  const driver = architecture === 'HOPPER' ? 'NV_GPU_DRIVER_GH100' : `NV_GPU_CC_DRIVER_${product}`;
  const vbios = `NV_GPU_VBIOS_${project}_${projectSku}_${chipSku}_${compact(vbiosVersion)}`.toUpperCase();
  return [
    { role: 'driver', id: `${driver}_${driverVersion}`, version: driverVersion, product, edition: 'GPU' },
    { role: 'vbios', id: vbios, version: vbiosVersion, product, edition: 'GPU' },
  ];
}

const compact = (version: string) => version.replaceAll('.', '').toUpperCase();

/**
 * Whether a manifest may be the one of this id. The file holds neither its id nor project and SKU; what it does hold, its
 * version, is the end of its id.
 */
export function isVersionOf(version: string, id: string): boolean {
  const name = id.toUpperCase();
  return [version.toUpperCase(), compact(version)].some((spelled) => name.endsWith(`_${spelled}`));
}

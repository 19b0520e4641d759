// Original file: proto/chrysalis/v1/transparency.proto


export interface GetEvidenceResponse {
  'bundle'?: (Buffer | Uint8Array | string);
  'collateral'?: (string);
}

export interface GetEvidenceResponse__Output {
  'bundle': (Buffer);
  'collateral': (string);
}

// Original file: proto/chrysalis/v1/transparency.proto


export interface GetEvidenceRequest {
  'evidenceDigest'?: (Buffer | Uint8Array | string);
}

export interface GetEvidenceRequest__Output {
  'evidenceDigest': (Buffer);
}

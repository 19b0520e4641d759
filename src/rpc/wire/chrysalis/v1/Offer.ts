// Original file: proto/chrysalis/v1/inference.proto


export interface Offer {
  'offer'?: (Buffer | Uint8Array | string);
  'evidenceDigest'?: (Buffer | Uint8Array | string);
  'workerId'?: (Buffer | Uint8Array | string);
  'workerName'?: (string);
}

export interface Offer__Output {
  'offer': (Buffer);
  'evidenceDigest': (Buffer);
  'workerId': (Buffer);
  'workerName': (string);
}

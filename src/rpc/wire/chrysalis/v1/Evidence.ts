// Original file: proto/chrysalis/v1/worker.proto


export interface Evidence {
  'bundle'?: (Buffer | Uint8Array | string);
  'nonceProof'?: (Buffer | Uint8Array | string);
  'epochCertificate'?: (Buffer | Uint8Array | string);
  'epochSignature'?: (Buffer | Uint8Array | string);
  'certificates'?: (Buffer | Uint8Array | string)[];
}

export interface Evidence__Output {
  'bundle': (Buffer);
  'nonceProof': (Buffer);
  'epochCertificate': (Buffer);
  'epochSignature': (Buffer);
  'certificates': (Buffer)[];
}

// Original file: proto/chrysalis/v1/release.proto


export interface ListSecretsRequest {
}

export interface ListSecretsRequest__Output {
}

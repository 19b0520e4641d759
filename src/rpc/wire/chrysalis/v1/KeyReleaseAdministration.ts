// Original file: proto/chrysalis/v1/release.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { ListSecretsRequest as _chrysalis_v1_ListSecretsRequest, ListSecretsRequest__Output as _chrysalis_v1_ListSecretsRequest__Output } from '../../chrysalis/v1/ListSecretsRequest.ts';
import type { ListSecretsResponse as _chrysalis_v1_ListSecretsResponse, ListSecretsResponse__Output as _chrysalis_v1_ListSecretsResponse__Output } from '../../chrysalis/v1/ListSecretsResponse.ts';
import type { RegisterSecretRequest as _chrysalis_v1_RegisterSecretRequest, RegisterSecretRequest__Output as _chrysalis_v1_RegisterSecretRequest__Output } from '../../chrysalis/v1/RegisterSecretRequest.ts';
import type { RevokeSecretRequest as _chrysalis_v1_RevokeSecretRequest, RevokeSecretRequest__Output as _chrysalis_v1_RevokeSecretRequest__Output } from '../../chrysalis/v1/RevokeSecretRequest.ts';
import type { RevokeSecretResponse as _chrysalis_v1_RevokeSecretResponse, RevokeSecretResponse__Output as _chrysalis_v1_RevokeSecretResponse__Output } from '../../chrysalis/v1/RevokeSecretResponse.ts';
import type { SecretState as _chrysalis_v1_SecretState, SecretState__Output as _chrysalis_v1_SecretState__Output } from '../../chrysalis/v1/SecretState.ts';

export interface KeyReleaseAdministrationClient extends grpc.Client {
  ListSecrets(argument: _chrysalis_v1_ListSecretsRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_ListSecretsResponse__Output>): grpc.ClientUnaryCall;
  ListSecrets(argument: _chrysalis_v1_ListSecretsRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_chrysalis_v1_ListSecretsResponse__Output>): grpc.ClientUnaryCall;
  ListSecrets(argument: _chrysalis_v1_ListSecretsRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_ListSecretsResponse__Output>): grpc.ClientUnaryCall;
  ListSecrets(argument: _chrysalis_v1_ListSecretsRequest, callback: grpc.requestCallback<_chrysalis_v1_ListSecretsResponse__Output>): grpc.ClientUnaryCall;
  listSecrets(argument: _chrysalis_v1_ListSecretsRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_ListSecretsResponse__Output>): grpc.ClientUnaryCall;
  listSecrets(argument: _chrysalis_v1_ListSecretsRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_chrysalis_v1_ListSecretsResponse__Output>): grpc.ClientUnaryCall;
  listSecrets(argument: _chrysalis_v1_ListSecretsRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_ListSecretsResponse__Output>): grpc.ClientUnaryCall;
  listSecrets(argument: _chrysalis_v1_ListSecretsRequest, callback: grpc.requestCallback<_chrysalis_v1_ListSecretsResponse__Output>): grpc.ClientUnaryCall;
  
  RegisterSecret(argument: _chrysalis_v1_RegisterSecretRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_SecretState__Output>): grpc.ClientUnaryCall;
  RegisterSecret(argument: _chrysalis_v1_RegisterSecretRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_chrysalis_v1_SecretState__Output>): grpc.ClientUnaryCall;
  RegisterSecret(argument: _chrysalis_v1_RegisterSecretRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_SecretState__Output>): grpc.ClientUnaryCall;
  RegisterSecret(argument: _chrysalis_v1_RegisterSecretRequest, callback: grpc.requestCallback<_chrysalis_v1_SecretState__Output>): grpc.ClientUnaryCall;
  registerSecret(argument: _chrysalis_v1_RegisterSecretRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_SecretState__Output>): grpc.ClientUnaryCall;
  registerSecret(argument: _chrysalis_v1_RegisterSecretRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_chrysalis_v1_SecretState__Output>): grpc.ClientUnaryCall;
  registerSecret(argument: _chrysalis_v1_RegisterSecretRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_SecretState__Output>): grpc.ClientUnaryCall;
  registerSecret(argument: _chrysalis_v1_RegisterSecretRequest, callback: grpc.requestCallback<_chrysalis_v1_SecretState__Output>): grpc.ClientUnaryCall;
  
  RevokeSecret(argument: _chrysalis_v1_RevokeSecretRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_RevokeSecretResponse__Output>): grpc.ClientUnaryCall;
  RevokeSecret(argument: _chrysalis_v1_RevokeSecretRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_chrysalis_v1_RevokeSecretResponse__Output>): grpc.ClientUnaryCall;
  RevokeSecret(argument: _chrysalis_v1_RevokeSecretRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_RevokeSecretResponse__Output>): grpc.ClientUnaryCall;
  RevokeSecret(argument: _chrysalis_v1_RevokeSecretRequest, callback: grpc.requestCallback<_chrysalis_v1_RevokeSecretResponse__Output>): grpc.ClientUnaryCall;
  revokeSecret(argument: _chrysalis_v1_RevokeSecretRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_RevokeSecretResponse__Output>): grpc.ClientUnaryCall;
  revokeSecret(argument: _chrysalis_v1_RevokeSecretRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_chrysalis_v1_RevokeSecretResponse__Output>): grpc.ClientUnaryCall;
  revokeSecret(argument: _chrysalis_v1_RevokeSecretRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_RevokeSecretResponse__Output>): grpc.ClientUnaryCall;
  revokeSecret(argument: _chrysalis_v1_RevokeSecretRequest, callback: grpc.requestCallback<_chrysalis_v1_RevokeSecretResponse__Output>): grpc.ClientUnaryCall;
  
}

export interface KeyReleaseAdministrationHandlers extends grpc.UntypedServiceImplementation {
  ListSecrets: grpc.handleUnaryCall<_chrysalis_v1_ListSecretsRequest__Output, _chrysalis_v1_ListSecretsResponse>;
  
  RegisterSecret: grpc.handleUnaryCall<_chrysalis_v1_RegisterSecretRequest__Output, _chrysalis_v1_SecretState>;
  
  RevokeSecret: grpc.handleUnaryCall<_chrysalis_v1_RevokeSecretRequest__Output, _chrysalis_v1_RevokeSecretResponse>;
  
}

export interface KeyReleaseAdministrationDefinition extends grpc.ServiceDefinition {
  ListSecrets: MethodDefinition<_chrysalis_v1_ListSecretsRequest, _chrysalis_v1_ListSecretsResponse, _chrysalis_v1_ListSecretsRequest__Output, _chrysalis_v1_ListSecretsResponse__Output>
  RegisterSecret: MethodDefinition<_chrysalis_v1_RegisterSecretRequest, _chrysalis_v1_SecretState, _chrysalis_v1_RegisterSecretRequest__Output, _chrysalis_v1_SecretState__Output>
  RevokeSecret: MethodDefinition<_chrysalis_v1_RevokeSecretRequest, _chrysalis_v1_RevokeSecretResponse, _chrysalis_v1_RevokeSecretRequest__Output, _chrysalis_v1_RevokeSecretResponse__Output>
}

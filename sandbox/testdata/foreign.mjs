// Walks a rotation through the sandbox's Secrets Manager with the JavaScript
// SDK, which shares no code with the Go SDK that the other tests use, and prints
// what it saw as one JSON object. The endpoint and the credentials come from the
// environment, as in any application.
import {
  SecretsManagerClient, CreateSecretCommand, DescribeSecretCommand, GetSecretValueCommand,
  PutSecretValueCommand, UpdateSecretVersionStageCommand, GetRandomPasswordCommand,
  TagResourceCommand, DeleteSecretCommand, RestoreSecretCommand, BatchGetSecretValueCommand,
  paginateListSecrets, ResourceNotFoundException, InvalidParameterException,
} from "@aws-sdk/client-secrets-manager";

const client = new SecretsManagerClient({ maxAttempts: 1 });
const seen = {};

// failure is what a call fails with, by the class and the text.
async function failure(command, type) {
  try {
    await client.send(command);
    return "no error";
  } catch (e) {
    return `${e instanceof type ? "typed " : ""}${e.name} ${e.$metadata.httpStatusCode}: ${e.message}`;
  }
}

const SecretId = "foreign/db";
const first = await client.send(new CreateSecretCommand({
  Name: SecretId, SecretString: JSON.stringify({ username: "app", password: "old" }),
  Tags: [{ Key: "team", Value: "blau & grün" }],
}));
seen.arn = first.ARN.replace(/-[A-Za-z0-9]{6}$/, "-SUFFIX");

const { RandomPassword } = await client.send(new GetRandomPasswordCommand({
  PasswordLength: 40, ExcludeCharacters: "/@\"'\\", RequireEachIncludedType: true,
}));
seen.password = RandomPassword.length === 40 && !/[/@"'\\]/.test(RandomPassword);

const pending = await client.send(new PutSecretValueCommand({
  SecretId, SecretString: RandomPassword, VersionStages: ["AWSPENDING"],
}));
seen.pendingStages = pending.VersionStages;

const move = { SecretId, VersionStage: "AWSCURRENT", MoveToVersionId: pending.VersionId };
seen.withoutCompare = (await failure(new UpdateSecretVersionStageCommand(move), InvalidParameterException))
  .replace(first.VersionId, "FIRST");
await client.send(new UpdateSecretVersionStageCommand({ ...move, RemoveFromVersionId: first.VersionId }));

const current = await client.send(new GetSecretValueCommand({ SecretId: first.ARN }));
seen.rotated = current.SecretString === RandomPassword && current.VersionId === pending.VersionId;
seen.createdIsDate = current.CreatedDate instanceof Date && Math.abs(Date.now() - current.CreatedDate) < 60_000;
const previous = await client.send(new GetSecretValueCommand({ SecretId, VersionStage: "AWSPREVIOUS" }));
seen.previous = JSON.parse(previous.SecretString).password;

await client.send(new TagResourceCommand({ SecretId, Tags: [{ Key: "more", Value: "" }] }));
const described = await client.send(new DescribeSecretCommand({ SecretId }));
seen.tags = described.Tags.map((t) => `${t.Key}=${t.Value}`);
seen.labels = Object.values(described.VersionIdsToStages).map((s) => s.join("+")).sort();

await client.send(new CreateSecretCommand({ Name: "foreign/binary", SecretBinary: new Uint8Array([0, 200, 255]) }));
const names = [];
for await (const page of paginateListSecrets({ client, pageSize: 1 }, { Filters: [{ Key: "name", Values: ["foreign/"] }], SortBy: "name" })) {
  names.push(...page.SecretList.map((s) => s.Name));
}
seen.names = names;
const batch = await client.send(new BatchGetSecretValueCommand({ SecretIdList: ["foreign/binary", "foreign/none"] }));
seen.batch = [...batch.SecretValues.map((v) => [...v.SecretBinary].join()), ...batch.Errors.map((e) => e.ErrorCode)];

seen.missing = await failure(new GetSecretValueCommand({ SecretId: "foreign/none" }), ResourceNotFoundException);
await client.send(new DeleteSecretCommand({ SecretId, RecoveryWindowInDays: 7 }));
seen.deleted = await failure(new GetSecretValueCommand({ SecretId }), InvalidParameterException);
await client.send(new RestoreSecretCommand({ SecretId }));
await client.send(new GetSecretValueCommand({ SecretId }));

console.log(JSON.stringify(seen));

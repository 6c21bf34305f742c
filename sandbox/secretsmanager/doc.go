// Package secretsmanager is AWS Secrets Manager in memory, behind the sandbox's
// endpoint: the operations that rotation needs and the ones people use around
// them, with AWS's rules, limits and error codes.
//
// The rules are those of the API reference ("AWS Secrets Manager API
// Reference", one page per operation) and of the user guide's pages on
// versions, quotas and rotation. Where a page is silent the code says
// "derived".
//
// [New] makes the service; give it to wire.New. [Service.Close] ends the
// rotations under way. Everything else goes through an AWS client. The one back
// door is [Service.SetManaged], for what AWS itself sets on a secret.
//
// Not there: resource policies, replication, partner ("external") secrets and
// permissions. Reads are never stale.
package secretsmanager

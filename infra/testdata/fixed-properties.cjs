// Prints, for each resource type of CloudFormation that is named, the properties that
// make another resource when they change, and those that tell one resource from
// another: node fixed-properties.cjs TYPE...
"use strict";
const spec = require("@aws-cdk/aws-service-spec").loadAwsServiceSpecSync();
const all = {};
for (const type of process.argv.slice(2)) {
  const [resource] = spec.lookup("resource", "cloudFormationType", "equals", type);
  if (!resource) throw new Error(`there is no resource type ${type}`);
  const fixed = Object.entries(resource.properties).filter(([, p]) => (p.causesReplacement ?? "no") !== "no").map(([name]) => name);
  const identity = resource.primaryIdentifier ?? [];
  all[type] = { Fixed: fixed, Identity: identity.every((name) => name in resource.properties) ? identity : [] };
}
console.log(JSON.stringify(all));

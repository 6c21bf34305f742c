// Checks CloudFormation templates without an account: node check-template.cjs FILE...
// Unknown and missing properties, wrong types and values, references to nothing,
// and every state machine definition as it is after its substitutions. Prints one
// line per finding and exits 1 if there is any.
"use strict";
const fs = require("node:fs");
const path = require("node:path");
let spec, validateASL;
try {
  spec = require("@aws-cdk/aws-service-spec").loadAwsServiceSpecSync();
  validateASL = require("asl-validator");
} catch (e) {
  console.log(`a checking tool is not installed (${e.message.split("\n")[0]}): run \`npm ci\``);
  process.exit(2);
}

let findings = 0, file;
const say = (where, what) => { findings++; console.log(`${path.basename(file)}: ${where}: ${what}`); };
const isObject = (v) => v !== null && typeof v === "object" && !Array.isArray(v);
const isIntrinsic = (v) => isObject(v) && Object.keys(v).length === 1 && /^(Ref|Fn::\w+)$/.test(Object.keys(v)[0]);
const resourceSpec = (type) => spec.lookup("resource", "cloudFormationType", "equals", type)[0];

// fits returns nothing or what is wrong with the value.
function fits(value, type, where) {
  if (isIntrinsic(value)) return; // what it refers to is checked elsewhere
  switch (type.type) {
    case "string": case "date-time":
      if (typeof value !== "string") return "is not a string";
      if (type.allowedValues && !type.allowedValues.includes(value)) return `is ${value}, not one of ${type.allowedValues}`;
      return;
    case "integer": return Number.isInteger(value) ? undefined : "is not an integer";
    case "number": return typeof value === "number" ? undefined : "is not a number";
    case "boolean": return typeof value === "boolean" ? undefined : "is not a boolean";
    case "json": return isObject(value) || Array.isArray(value) ? undefined : "is not a JSON document";
    case "tag": return isObject(value) && "Key" in value && "Value" in value ? undefined : "is not a tag";
    case "array":
      if (!Array.isArray(value)) return "is not a list";
      value.forEach((v, i) => report(v, type.element, `${where}[${i}]`));
      return;
    case "map":
      if (!isObject(value)) return "is not a map";
      for (const [k, v] of Object.entries(value)) report(v, type.element, `${where}.${k}`);
      return;
    case "union": {
      const before = findings;
      const wrong = type.types.map((t) => fits(value, t, where));
      return wrong.every(Boolean) && findings === before ? wrong.join(" and ") : undefined;
    }
    case "ref":
      if (!isObject(value)) return "is not an object";
      properties(value, spec.get("typeDefinition", type.reference.$ref).properties, where);
  }
}
function report(value, type, where) {
  const wrong = fits(value, type, where);
  if (wrong) say(where, wrong);
}
function properties(given, known, where) {
  for (const [name, value] of Object.entries(given)) {
    if (!known[name]) say(`${where}.${name}`, "there is no such property");
    else report(value, known[name].type, `${where}.${name}`);
  }
  for (const [name, p] of Object.entries(known)) {
    if (p.required && !(name in given)) say(where, `the required property ${name} is missing`);
  }
}

function references(value, template, where) {
  if (Array.isArray(value)) return value.forEach((v, i) => references(v, template, `${where}[${i}]`));
  if (!isObject(value)) return;
  for (const [key, v] of Object.entries(value)) {
    if (key === "Ref") ref(v, template, where);
    else if (key === "Fn::GetAtt") getAtt(Array.isArray(v) ? v : v.split(/\.(.*)/s).slice(0, 2), template, where);
    else if (key === "Fn::Sub") {
      const [text, own] = Array.isArray(v) ? v : [v, {}];
      for (const [, name] of text.matchAll(/\$\{([^!}][^}]*)\}/g)) {
        if (name in own) continue;
        if (name.includes(".")) getAtt(name.split(/\.(.*)/s).slice(0, 2), template, where);
        else ref(name, template, where);
      }
    } else if (key === "DependsOn") [v].flat().forEach((id) => ref(id, template, `${where}.DependsOn`));
    references(v, template, `${where}.${key}`);
  }
}
function ref(id, template, where) {
  const pseudo = /^AWS::(AccountId|NoValue|NotificationARNs|Partition|Region|StackId|StackName|URLSuffix)$/;
  if (!pseudo.test(id) && !template.Resources[id] && !template.Parameters?.[id]) say(where, `refers to ${id}, which does not exist`);
}
function getAtt([id, attribute], template, where) {
  const resource = template.Resources[id];
  if (!resource) return say(where, `refers to ${id}, which does not exist`);
  if (!resourceSpec(resource.Type)?.attributes[attribute]) say(where, `${resource.Type} has no attribute ${attribute}`);
}

function definition({ DefinitionString }, where) {
  if (!DefinitionString["Fn::Sub"]) return say(where, "DefinitionString is no Fn::Sub");
  const [source, substitutions] = DefinitionString["Fn::Sub"];
  const unknown = new Set(), used = new Set();
  const text = source.replace(/\$\{(\w+)\}/g, (_, name) => {
    used.add(name);
    if (!(name in substitutions)) unknown.add(name);
    return { Partition: "aws-us-gov", EventBusName: "default" }[name] ??
      `arn:aws-us-gov:lambda:us-gov-west-1:111122223333:function:${name}`;
  });
  for (const name of unknown) say(where, `\${${name}} has no substitution`);
  for (const name of Object.keys(substitutions)) if (!used.has(name)) say(where, `the substitution ${name} is not used`);
  const result = validateASL(JSON.parse(text));
  if (!result.isValid) say(where, result.errorsText("; "));
}

for (file of process.argv.slice(2)) {
  const template = JSON.parse(fs.readFileSync(file, "utf8"));
  for (const [id, resource] of Object.entries(template.Resources)) {
    if (resource.Type.startsWith("Custom::")) { // any properties, and the function that reads them
      if (!resource.Properties?.ServiceToken) say(id, "the required property ServiceToken is missing");
      continue;
    }
    const known = resourceSpec(resource.Type);
    if (!known) { say(id, `there is no resource type ${resource.Type}`); continue; }
    properties(resource.Properties ?? {}, known.properties, id);
    if (resource.Type === "AWS::StepFunctions::StateMachine") definition(resource.Properties, id);
  }
  references(template, template, "template");
}
process.exit(findings ? 1 : 0);

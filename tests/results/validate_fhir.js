// node validate_fhir.js PACKAGE_FOLDER BUNDLE.json...: exit 1 and the messages when a resource is not valid FHIR R4.
const fs = require('fs');
const { Fhir } = require(process.argv[2]);
const fhir = new Fhir();
let bad = 0;
for (const file of process.argv.slice(3)) {
  const bundle = JSON.parse(fs.readFileSync(file, 'utf8'));
  const resources = [bundle, ...bundle.entry.map((entry) => entry.resource)];
  for (const resource of resources) {
    const result = fhir.validate(resource, { errorOnUnexpected: true });
    const errors = result.messages.filter((m) => m.severity === 'error' || m.severity === 'fatal');
    if (result.valid && errors.length === 0) continue;
    bad += 1;
    console.log(`${file}: ${resource.resourceType}: ${JSON.stringify(errors.length ? errors : result.messages)}`);
  }
}
process.exit(bad ? 1 : 0);

// Says how AWS would answer requests: from stdin's list of them to stdout's list of answers.
import { text } from 'node:stream/consumers'
import { validateIdentityPolicy, validateTrustPolicy, loadPolicy } from '@cloud-copilot/iam-policy'
import { runSimulation } from '@cloud-copilot/iam-simulate'
// The public way to a trust document leaves out what GitHub's tokens say (runSimulation), or fails
// (runUnsafeSimulation, in 0.1.173); this is what both of them call.
import { authorize } from './node_modules/@cloud-copilot/iam-simulate/dist/esm/core_engine/CoreSimulatorEngine.js'
import { DiscoveryContextKeyConstraints } from './node_modules/@cloud-copilot/iam-simulate/dist/esm/context_keys/discoveryContextKeyConstraints.js'
import { AwsRequestImpl } from './node_modules/@cloud-copilot/iam-simulate/dist/esm/request/request.js'
import { RequestContextImpl } from './node_modules/@cloud-copilot/iam-simulate/dist/esm/requestContext.js'

const ACCOUNT = '123456789012'

function refused(what, errors) {
  throw new Error(`${what}: ${JSON.stringify(errors)}`)
}

// The request as it is, without a look at whether AWS knows such a one.
function decide({ principal, action, resource, context, policies, boundaries, trust }) {
  return authorize({
    request: new AwsRequestImpl(
      principal,
      { resource, accountId: ACCOUNT },
      action,
      new RequestContextImpl(context)
    ),
    identityPolicies: named(policies ?? {}).map(({ name, policy }) => loadPolicy(policy, { name })),
    permissionBoundaries:
      boundaries && named(boundaries).map(({ name, policy }) => loadPolicy(policy, { name })),
    serviceControlPolicies: [],
    resourceControlPolicies: [],
    resourcePolicy: trust && loadPolicy(trust, { name: 'trust' }),
    simulationParameters: {
      simulationMode: 'Strict',
      discoveryContextKeyConstraints: new DiscoveryContextKeyConstraints([])
    },
    serviceSettings: {}
  }).result
}

function trusts(request) {
  const errors = validateTrustPolicy(request.trust)
  if (errors.length > 0) refused('the trust document is not valid', errors)
  return decide({ ...request, action: 'sts:AssumeRoleWithWebIdentity' })
}

function named(policies) {
  return Object.entries(policies).map(([name, policy]) => {
    const errors = validateIdentityPolicy(policy)
    if (errors.length > 0) refused(`${name} is not valid`, errors)
    return { name, policy }
  })
}

async function allows(request) {
  const { principal, action, resource, context, policies, boundaries } = request
  // Of API Gateway's two lists of resources it knows one with these actions: that of REST APIs.
  if (action.startsWith('apigateway:')) return decide(request)
  const answer = await runSimulation(
    {
      request: {
        principal,
        action,
        resource: { resource, accountId: ACCOUNT },
        contextVariables: context
      },
      identityPolicies: named(policies),
      permissionBoundaryPolicies: boundaries ? named(boundaries) : undefined,
      serviceControlPolicies: [],
      resourceControlPolicies: []
    },
    {}
  )
  if (answer.resultType === 'error') refused(`${action} on ${resource}`, answer.errors)
  // What AWS does not say with this action may not decide a test.
  const ignored = (answer.results ?? [answer.result]).flatMap((each) => each.ignoredContextKeys)
  if (ignored.length > 0) refused(`${action} has no such context`, ignored)
  return answer.overallResult
}

const answers = []
for (const request of JSON.parse(await text(process.stdin))) {
  answers.push(request.trust ? trusts(request) : await allows(request))
}
console.log(JSON.stringify(answers))

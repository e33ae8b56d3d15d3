"""An agent whose instructions send it to a person before certain calls.

The same program as assistant.py with the documented instructions for approvals. Whatever the
model makes of its instructions, the appliance decides: a call under approval that comes without
one is refused with APPROVAL_GATE_DENIED, and the model gets the refusal as the tool's answer.
A person decides at the appliance: stack approvals watch, stack approvals approve apr_...

Started as assistant.py is. In the config, the action is under approval:

    services:
      slack:
        base_url: https://slack.com/api
        inject: { bearer: "{secret}" }
        secret: { env: SLACK_BOT_TOKEN }
        actions: { "slack:channels:archive": [ "POST /conversations.archive" ] }
        approval: [ slack:channels:archive ]
    agents:
      "*": { services: { slack: [ "slack:channels:archive" ] } }
"""

import os
import asyncio
from agents import Agent, Runner
from agents.mcp import MCPServerStreamableHttp

stack_token = os.environ["STACK_API_KEY"]

async def main() -> None:
    async with MCPServerStreamableHttp(
        name="STACK",
        params={
            "url": "http://localhost:7822/mcp",
            "headers": {"Authorization": f"Bearer {stack_token}"},
            "timeout": 30,
        },
    ) as stack:
        agent = Agent(
            name="Assistant",
            instructions=(
                "You manage Stripe refunds and Slack incident channels.\n"
                "Before any stripe:refunds:create or slack:channels:archive call:\n"
                "  1. stack_submit_intent with the candidate IntentClaim.\n"
                "  2. Poll stack_get_intent_approval until status != 'pending'.\n"
                "  3. If approved, call stack_proxy_request with approval_id.\n"
                "  4. If rejected or expired, stop. Do not retry."
            ),
            mcp_servers=[stack],
        )

        result = await Runner.run(agent, "Incident 4711 is resolved: archive its channel C4711.")
        print(result.final_output)

if __name__ == "__main__":
    asyncio.run(main())

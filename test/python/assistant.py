"""An agent of the OpenAI Agents SDK that reaches the world through STACK.

The program is the documented one; only the URL is this appliance's. The agent process holds
an API key of the appliance and no credential of any service.

    pip install openai-agents           # or: pip install --require-hashes -r requirements.txt
    export STACK_API_KEY="sk_live_..."  # what the first `npm start` printed
    export OPENAI_API_KEY="sk-..."      # for the model
    python assistant.py

The config needs a service and what an agent that registers itself may do there:

    services:
      slack:
        base_url: https://slack.com/api
        inject: { bearer: "{secret}" }
        secret: { env: SLACK_BOT_TOKEN }
        actions: { "slack:chat:write": [ "POST /chat.postMessage" ] }
    agents:
      "*": { services: { slack: [ "slack:chat:write" ] } }
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
                "You are a helpful assistant. Use STACK to access "
                "user-authorized services securely. Never store or "
                "echo raw credentials."
            ),
            mcp_servers=[stack],
        )

        result = await Runner.run(agent, "Send a message in #alerts: deploy completed.")
        print(result.final_output)

if __name__ == "__main__":
    asyncio.run(main())

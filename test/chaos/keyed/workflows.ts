import { Client, Connection } from "@temporalio/client";
import { startTemporal } from "../services.ts";

/** A Temporal without workers: what is started there stays to be counted. */
export async function openWorkflows(directory: string) {
  const server = await startTemporal(directory);
  const address = `127.0.0.1:${server.port}`;
  const connection = await Connection.connect({ address });
  const client = new Client({ connection });
  return {
    address,
    /** The id of each run of a checkout: one that was started twice is there twice. */
    ids: async (): Promise<readonly string[]> => {
      const ids: string[] = [];
      for await (const { workflowId } of client.workflow.list({ query: 'WorkflowType = "checkout"' })) ids.push(workflowId);
      return ids;
    },
    close: async () => {
      await connection.close();
      await server.close();
    },
  };
}

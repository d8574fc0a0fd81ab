/** An activity. */
export async function compose(name: string): Promise<string> {
  return `Hello, ${name}!`;
}

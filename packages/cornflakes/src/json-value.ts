// JSON as TypeScript sees it.

export type JsonValue = null | boolean | number | string | JsonValue[] | { [key: string]: JsonValue };

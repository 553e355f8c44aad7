/** `import text from './x.lua' with { type: 'text' }` */
declare module '*.lua' {
  const text: string;
  export default text;
}

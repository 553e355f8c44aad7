/** The part of fengari that the simulated Redis uses; it has no types. */
declare module 'fengari' {
  interface State {
    readonly opaque: unique symbol;
  }
  export const lua: {
    lua_pushstring(state: State, text: Uint8Array): void;
    lua_pushinteger(state: State, value: number): void;
    lua_pushboolean(state: State, value: boolean): void;
    lua_createtable(state: State, array: number, hash: number): void;
    lua_rawseti(state: State, index: number, at: number): void;
    lua_rawgeti(state: State, index: number, at: number): number;
    lua_rawlen(state: State, index: number): number;
    lua_setglobal(state: State, name: Uint8Array): void;
    lua_setfield(state: State, index: number, name: Uint8Array): void;
    lua_pushcfunction(state: State, work: (state: State) => number): void;
    lua_pushvalue(state: State, index: number): void;
    lua_pcall(state: State, args: number, results: number, handler: number): number;
    lua_gettop(state: State): number;
    lua_settop(state: State, top: number): void;
    lua_type(state: State, index: number): number;
    lua_tointeger(state: State, index: number): number;
    lua_tonumber(state: State, index: number): number;
    lua_isinteger(state: State, index: number): boolean;
    lua_toboolean(state: State, index: number): boolean;
    /** The bytes themselves, not a copy. */
    lua_tostring(state: State, index: number): Uint8Array;
    readonly LUA_REGISTRYINDEX: number;
    readonly LUA_TNIL: number;
    readonly LUA_TBOOLEAN: number;
    readonly LUA_TNUMBER: number;
    readonly LUA_TSTRING: number;
    readonly LUA_TTABLE: number;
  };
  export const lauxlib: {
    luaL_newstate(): State;
    luaL_loadbuffer(state: State, code: Uint8Array, length: number, name: Uint8Array): number;
    luaL_ref(state: State, table: number): number;
  };
  export const lualib: { luaL_openlibs(state: State): void };
  export function to_luastring(text: string): Uint8Array;
}

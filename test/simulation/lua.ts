import type { State } from 'fengari';
import type { Reply, Script } from '../../src/projection/redis/commands.ts';

const { lauxlib, lua, lualib, to_luastring } = await loadFengari();

/** The result of redis.call in a script. No script here reads the text of a status. */
export type CallRedis = (words: readonly string[]) => Reply;

/** An error that Redis itself would return for a script. */
export class ScriptFailed extends Error {
  override readonly name = 'ScriptFailed';
}

const [KEYS, ARGV, REDIS, CALL] = ['KEYS', 'ARGV', 'redis', 'call'].map(to_luastring) as [
  Uint8Array,
  Uint8Array,
  Uint8Array,
  Uint8Array,
];

/** Runs Redis scripts, each compiled once. All servers share one machine, because scripts keep no state. */
export class LuaMachine {
  readonly #state: State;
  /** The registry reference of each compiled script, by its text. */
  readonly #compiled = new Map<string, number>();
  #call: CallRedis = () => null;

  constructor() {
    const state = lauxlib.luaL_newstate();
    lualib.luaL_openlibs(state);
    lua.lua_createtable(state, 0, 1);
    lua.lua_pushcfunction(state, (inner) => {
      const words: string[] = [];
      for (let index = 1; index <= lua.lua_gettop(inner); index++) words.push(wordAt(inner, index));
      pushReply(inner, this.#call(words));
      return 1;
    });
    lua.lua_setfield(state, -2, CALL);
    lua.lua_setglobal(state, REDIS);
    this.#state = state;
  }

  run(script: Script, keys: readonly string[], args: readonly (string | number)[], call: CallRedis): Reply {
    const state = this.#state;
    const top = lua.lua_gettop(state);
    this.#call = call;
    pushList(state, keys);
    lua.lua_setglobal(state, KEYS);
    pushList(state, args);
    lua.lua_setglobal(state, ARGV);
    lua.lua_rawgeti(state, lua.LUA_REGISTRYINDEX, this.#functionOf(script));
    try {
      if (lua.lua_pcall(state, 0, 1, 0) !== 0) {
        throw new ScriptFailed(`${script.name}: ${decode(lua.lua_tostring(state, -1))}`);
      }
      return replyAt(state, -1);
    } finally {
      lua.lua_settop(state, top);
    }
  }

  #functionOf({ name, source }: Script): number {
    const known = this.#compiled.get(source);
    if (known !== undefined) return known;
    // The first line is for Redis, and is not Lua.
    const code = to_luastring(source.replace(/^#![^\n]*/, ''));
    if (lauxlib.luaL_loadbuffer(this.#state, code, code.length, to_luastring(`=${name}`)) !== 0) {
      throw new ScriptFailed(decode(lua.lua_tostring(this.#state, -1)));
    }
    const reference = lauxlib.luaL_ref(this.#state, lua.LUA_REGISTRYINDEX);
    this.#compiled.set(source, reference);
    return reference;
  }
}

function pushList(state: State, words: readonly (string | number)[]): void {
  lua.lua_createtable(state, words.length, 0);
  for (const [index, word] of words.entries()) {
    lua.lua_pushstring(state, encode(String(word)));
    lua.lua_rawseti(state, -2, index + 1);
  }
}

/** Redis converts values other than strings as Lua prints them. */
function wordAt(state: State, index: number): string {
  const type = lua.lua_type(state, index);
  if (type === lua.LUA_TSTRING) return decode(lua.lua_tostring(state, index));
  if (type === lua.LUA_TNUMBER) return String(lua.lua_tonumber(state, index));
  throw new ScriptFailed('Lua redis() command arguments must be strings or integers');
}

function pushReply(state: State, reply: Reply): void {
  if (reply === null) lua.lua_pushboolean(state, false);
  else if (typeof reply === 'number') lua.lua_pushinteger(state, reply);
  else if (typeof reply === 'string') lua.lua_pushstring(state, encode(reply));
  else {
    lua.lua_createtable(state, reply.length, 0);
    for (const [index, each] of reply.entries()) {
      pushReply(state, each);
      lua.lua_rawseti(state, -2, index + 1);
    }
  }
}

/** As Redis converts what a script returns: numbers lose their fraction, true is 1, false is nothing, a list ends at nil. */
function replyAt(state: State, index: number): Reply {
  switch (lua.lua_type(state, index)) {
    case lua.LUA_TSTRING:
      return decode(lua.lua_tostring(state, index));
    case lua.LUA_TNUMBER:
      return Math.trunc(lua.lua_tonumber(state, index));
    case lua.LUA_TBOOLEAN:
      return lua.lua_toboolean(state, index) ? 1 : null;
    case lua.LUA_TTABLE: {
      const replies: Reply[] = [];
      for (let at = 1; lua.lua_rawgeti(state, index, at) !== lua.LUA_TNIL; at++) {
        replies.push(replyAt(state, -1));
        lua.lua_settop(state, -2);
      }
      lua.lua_settop(state, -2);
      return replies;
    }
    default:
      return null;
  }
}

/** Words of the protocols are short and mostly repeated. */
const utf8 = new TextEncoder();
const encoded = new Map<string, Uint8Array>();

function encode(text: string): Uint8Array {
  const known = encoded.get(text);
  if (known !== undefined) return known;
  const bytes = utf8.encode(text);
  if (encoded.size > 20_000) encoded.clear();
  encoded.set(text, bytes);
  return bytes;
}

function decode(bytes: Uint8Array): string {
  return Buffer.prototype.utf8Slice.call(bytes, 0, bytes.length);
}

/**
 * fengari copies each string with Uint8Array.from, which goes byte by byte and took a tenth of the time of all simulations.
 * The replacement copies too.
 */
async function loadFengari(): Promise<typeof import('fengari')> {
  const { from } = Uint8Array;
  const copy = (bytes: ArrayLike<number> & Iterable<number>) =>
    bytes instanceof Uint8Array ? bytes.slice() : from.call(Uint8Array, bytes);
  try {
    Object.assign(Uint8Array, { from: copy });
    return await import('fengari');
  } finally {
    Object.assign(Uint8Array, { from });
  }
}

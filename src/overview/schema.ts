import { Database } from 'bun:sqlite';

/*
 * The index of all repositories as a file of SQLite. It is a projection: it is made from the logs, and a new one is made at each start.
 * Nothing in it is needed again, so nothing of it is synced to the disk.
 */
const SCHEMA = `
CREATE TABLE repository (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  -- Up to this slot of its log everything is in the index.
  seq INTEGER NOT NULL,
  present INTEGER NOT NULL,
  bytes INTEGER NOT NULL DEFAULT 0,
  -- Bytes of what another repository has, too.
  shared INTEGER NOT NULL DEFAULT 0,
  tags INTEGER NOT NULL DEFAULT 0,
  links INTEGER NOT NULL DEFAULT 0,
  pushed_at INTEGER NOT NULL DEFAULT 0,
  pushed_by TEXT,
  description TEXT,
  description_at INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX repository_by_push ON repository (pushed_at, name);
CREATE INDEX repository_by_size ON repository (bytes, name);

-- Blobs and manifests, each once. links: how many repositories have it.
CREATE TABLE content (
  id INTEGER PRIMARY KEY,
  digest TEXT NOT NULL UNIQUE,
  size INTEGER NOT NULL,
  links INTEGER NOT NULL
);
CREATE INDEX content_by_size ON content (size);

CREATE TABLE link (
  repo INTEGER NOT NULL,
  content INTEGER NOT NULL,
  size INTEGER NOT NULL,
  inc TEXT NOT NULL,
  PRIMARY KEY (repo, content)
) WITHOUT ROWID;
CREATE INDEX link_by_content ON link (content, repo);
CREATE INDEX link_by_size ON link (repo, size, content);

CREATE TABLE manifest (
  id INTEGER PRIMARY KEY,
  repo INTEGER NOT NULL,
  digest TEXT NOT NULL,
  inc TEXT NOT NULL,
  size INTEGER NOT NULL,
  -- Bytes of the manifest and of what it names.
  total INTEGER NOT NULL,
  media_type TEXT NOT NULL,
  artifact_type TEXT,
  kind TEXT NOT NULL,
  subject TEXT,
  put_at INTEGER NOT NULL,
  -- From its bytes and its config, read later.
  is_read INTEGER NOT NULL DEFAULT 0,
  platforms TEXT,
  created INTEGER,
  has_attestation INTEGER NOT NULL DEFAULT 0,
  UNIQUE (repo, digest)
);
CREATE INDEX manifest_by_digest ON manifest (digest);
CREATE INDEX manifest_by_subject ON manifest (repo, subject) WHERE subject IS NOT NULL;
CREATE INDEX manifest_unread ON manifest (id) WHERE is_read = 0;

CREATE TABLE tag (
  repo INTEGER NOT NULL,
  name TEXT NOT NULL,
  digest TEXT NOT NULL,
  set_at INTEGER NOT NULL,
  set_by TEXT,
  -- Orders versions; NULL for tags that are none.
  version TEXT,
  -- The manifest that the tag's name attaches it to.
  attached_to TEXT,
  PRIMARY KEY (repo, name)
) WITHOUT ROWID;
CREATE INDEX tag_by_name ON tag (name, set_at, repo);
CREATE INDEX tag_by_time ON tag (set_at);
CREATE INDEX tag_by_digest ON tag (repo, digest);
CREATE INDEX tag_attached ON tag (repo, attached_to) WHERE attached_to IS NOT NULL;

-- Every name that a tag had, once.
CREATE TABLE tag_name (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, folded TEXT NOT NULL);
CREATE INDEX tag_name_folded ON tag_name (folded);
CREATE VIRTUAL TABLE tag_text USING fts5 (folded, content = 'tag_name', content_rowid = 'id', tokenize = 'trigram');

CREATE TABLE push (repo INTEGER NOT NULL, day INTEGER NOT NULL, pushes INTEGER NOT NULL, PRIMARY KEY (repo, day)) WITHOUT ROWID;

-- Labels and annotations of manifests.
CREATE TABLE label (id INTEGER PRIMARY KEY, repo INTEGER NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, UNIQUE (repo, key, value));
-- put_at: that of the manifest, so that the newest with a label is found without reading them all.
CREATE TABLE label_of (
  manifest INTEGER NOT NULL,
  label INTEGER NOT NULL,
  put_at INTEGER NOT NULL,
  PRIMARY KEY (manifest, label)
) WITHOUT ROWID;
CREATE INDEX label_manifests ON label_of (label, put_at, manifest);
CREATE VIRTUAL TABLE label_text USING fts5 (key, value, content = 'label', content_rowid = 'id', tokenize = 'trigram');

CREATE TABLE total (stored INTEGER NOT NULL);
INSERT INTO total VALUES (0);
`;

/** Bytes of memory for pages, in each connection. */
const CACHE_BYTES = 16 * 1024 * 1024;

/** Makes a new index. Only one connection writes. */
export function createIndex(path: string): Database {
  const database = new Database(path, { create: true, readwrite: true, strict: true });
  database.run('PRAGMA journal_mode = WAL');
  database.run('PRAGMA synchronous = OFF');
  configure(database);
  database.run(SCHEMA);
  return database;
}

/** A connection that only reads. It sees what was committed. */
export function openIndex(path: string): Database {
  // Not `readonly`: a reader of a write-ahead log must be able to write to the memory that connections share.
  const database = new Database(path, { create: false, readwrite: true, strict: true });
  configure(database);
  database.run('PRAGMA query_only = ON');
  return database;
}

function configure(database: Database): void {
  database.run(`PRAGMA cache_size = -${CACHE_BYTES / 1024}`);
  database.run('PRAGMA temp_store = MEMORY');
}

import { Blobs } from './blobs.ts';
import { Linking } from './linking.ts';
import { Listings } from './listings.ts';
import { Manifests } from './manifests.ts';
import type { RegistryPorts } from './ports.ts';
import { Uploads } from './uploads.ts';

/** What a registry can do, in the spec's words. */
export class Registry {
  readonly blobs: Blobs;
  readonly manifests: Manifests;
  readonly linking: Linking;
  readonly uploads: Uploads;
  readonly listings: Listings;

  constructor(ports: RegistryPorts) {
    this.blobs = new Blobs(ports);
    this.manifests = new Manifests(ports);
    this.linking = new Linking(ports);
    this.uploads = new Uploads(ports, this.linking);
    this.listings = new Listings(ports);
  }
}

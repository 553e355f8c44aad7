import { openSharedFolder, openTemporaryFolder } from '../support/data-folder.ts';
import { storageContract } from './storage.contract.ts';

storageContract('a filesystem', openTemporaryFolder);
storageContract('a filesystem that nodes share', openSharedFolder);

import { openTemporaryFolder } from '../support/data-folder.ts';
import { storageContract } from './storage.contract.ts';

storageContract('a filesystem', openTemporaryFolder);

// The console: what the server does now, who is there, and a place to try it.

import { beginFinding, find } from "./find.js";
import { watchNow } from "./now.js";
import { beginSnippets } from "./snippets.js";
import { beginWatching } from "./watch.js";

beginWatching();
beginSnippets();
beginFinding();
watchNow(find);

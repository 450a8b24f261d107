#!/usr/bin/env node
import '../dist/src/compiler/main.js';

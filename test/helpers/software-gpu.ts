/**
 * Where there is no GPU, WebGPU is tested on SwiftShader, a driver on the CPU that Chromium brings
 * along. It's taken for all tests, so that
 * they are the same everywhere; set VK_ICD_FILENAMES to nothing, and the machine's own driver is.
 */
import { existsSync } from 'node:fs';
import os from 'node:os';

const DRIVERS = ['/usr/lib/chromium/vk_swiftshader_icd.json'];

const driver = DRIVERS.find((file) => existsSync(file));
if (driver) {
  process.env.VK_ICD_FILENAMES ??= driver;
  process.env.XDG_RUNTIME_DIR ??= os.tmpdir(); // Vulkan's loader warns without one
}

package packet

// Plain is no version: clients of it speak no Engine.IO. They listen by HTTP
// alone, and what they are sent is no packets.
const Plain Version = 0

"""Forwards ports of localhost (IPv4 and IPv6) to another port, for test suites that have a standard port written into them.

Arguments: host, port, the ports to listen on. Prints "forwarding" when all listeners are up.
"""
import asyncio
import sys

host, port = sys.argv[1], int(sys.argv[2])


async def pump(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


async def forward(reader, writer):
    try:
        upstream_reader, upstream_writer = await asyncio.open_connection(host, port)
    except OSError:
        writer.close()
        return
    await asyncio.gather(pump(reader, upstream_writer), pump(upstream_reader, writer))


async def main():
    for listened in sys.argv[3:]:
        await asyncio.start_server(forward, "127.0.0.1", int(listened))
        try:
            await asyncio.start_server(forward, "::1", int(listened))
        except OSError:
            print("no IPv6 on this machine: tests of [::1] will fail", file=sys.stderr)
    print("forwarding", flush=True)
    await asyncio.Event().wait()


asyncio.run(main())

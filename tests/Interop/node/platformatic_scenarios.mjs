// @platformatic/kafka's ways of using a broker, one scenario by name. Arguments: host:port, scenario. Prints "ok <scenario>" at the end.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { inspect } from 'node:util';
import {
  Admin, allowedConfigTypes, CompressionAlgorithms, compressionsAlgorithms, ConfigResourceTypes, Consumer, FetchIsolationLevels, IncrementalAlterConfigOperationTypes,
  ListOffsetTimestamps, Producer, stringDeserializers, stringSerializers,
} from '@platformatic/kafka';

const [server, scenario] = process.argv.slice(2);
const run = randomUUID().slice(0, 8);
const topic = `platformatic.${scenario}.${run}`;
const group = `group.${run}`;
const patience = setTimeout(() => {
  console.error(`${scenario} did not end in time`);
  process.exit(1);
}, 50_000);

const common = { clientId: 'interop', bootstrapBrokers: [server], retryDelay: 100 };
const admin = new Admin(common);
const closing = [];

async function eventually(condition, what) {
  const deadline = Date.now() + 30_000;
  while (!(await condition())) {
    assert.ok(Date.now() < deadline, what);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function create(partitions = 1, configs = [], name = topic) {
  const [created] = await admin.createTopics({ topics: [name], partitions, replicas: 1, configs });
  assert.deepEqual([created.name, created.partitions], [name, partitions]);
}

function producer(options = {}) {
  const sender = new Producer({ ...common, serializers: stringSerializers, ...options });
  closing.unshift(sender);
  return sender;
}

async function send(values, partition = 0, options = {}) {
  const { offsets: [{ offset }] } = await producer().send({ messages: values.map((value) => ({ topic, value, partition })), acks: -1, ...options });
  return offset;
}

function consumer(options = {}) {
  const reader = new Consumer({ ...common, groupId: group, deserializers: stringDeserializers, maxWaitTime: 100, ...options });
  closing.unshift(reader);
  return reader;
}

// The first `count` messages that a consumer gets, or what it gets until `enough` says so.
async function collect(stream, count, enough = (messages) => messages.length === count) {
  const messages = [];
  for await (const message of stream) {
    messages.push(message);
    if (enough(messages)) break;
  }
  return messages;
}

// `count` messages as a member of a group that goes on where it has committed, which it does at the end.
async function take(count, options = {}, consume = {}) {
  const reader = consumer(options);
  const stream = await reader.consume({ topics: [topic], mode: 'committed', fallbackMode: 'earliest', autocommit: false, ...consume });
  const messages = await collect(stream, count);
  if (consume.mode === undefined) {
    const ends = new Map(messages.map((message) => [message.partition, message]));
    for (const message of ends.values()) await message.commit();
  }
  await reader.close(true);
  return messages;
}

// Two members take what is sent all the while: the second comes and the first goes. Everything is read and committed.
async function rebalanceUnderLoad(options) {
  await create(4);
  const seen = new Set();
  const members = [];
  async function join() {
    const reader = consumer({ ...options, maxWaitTime: 50 });
    const stream = await reader.consume({ topics: [topic], mode: 'committed', fallbackMode: 'earliest', autocommit: false });
    const member = { reader, stream, count: 0 };
    member.reading = (async () => {
      for await (const message of stream) {
        seen.add(`${message.partition}:${message.offset}`);
        member.count++;
        try {
          await message.commit();
        } catch {
          // A rebalance came between: the partition is somebody else's now.
        }
      }
    })();
    members.push(member);
    return member;
  }

  const sender = producer();
  let sending = true;
  let sent = 0;
  const load = (async () => {
    for (; sending; sent += 4) {
      await sender.send({ messages: [0, 1, 2, 3].map((partition) => ({ topic, value: String(sent + partition), partition })), acks: -1 });
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  })();
  const owned = (member) => (member.reader.assignments ?? []).reduce((sum, { partitions }) => sum + partitions.length, 0);
  const more = async (members, what) => {
    const before = members.map(({ count }) => count);
    await eventually(() => members.every(({ count }, i) => count > before[i] + 20), what);
  };

  const first = await join();
  await eventually(() => owned(first) === 4, 'the first member has all partitions');
  await more([first], 'the first member reads');
  const second = await join();
  await eventually(() => owned(first) === 2 && owned(second) === 2, 'each member has its share');
  await more([first, second], 'both members read');
  await first.stream.close();
  await first.reading;
  await first.reader.close(true);
  await eventually(() => owned(second) === 4, 'the one that is left has all partitions');
  await more([second], 'the one that is left reads');
  sending = false;
  await load;
  // Without idempotence, what the producer sends again can be there twice.
  const [{ partitions: ends }] = await admin.listOffsets({ topics: [{ name: topic, partitions: numbers(4).map((partitionIndex) => ({ partitionIndex, timestamp: ListOffsetTimestamps.LATEST })) }] });
  const end = ends.reduce((sum, { offset }) => sum + Number(offset), 0);
  assert.ok(end >= sent, `${end} of ${sent} messages are there`);
  await eventually(() => seen.size === end, 'everything is read');
  const committed = async () => (await admin.listConsumerGroupOffsets({ groups: [group] }))[0].topics[0].partitions.reduce((sum, { committedOffset }) => sum + Number(committedOffset), 0);
  await eventually(async () => (await committed()) === end, 'everything is committed');
  await second.stream.close();
  await second.reading;
  await second.reader.close(true);
}

const texts = (messages) => messages.map((message) => message.value);
const numbers = (count) => Array.from({ length: count }, (_, i) => i);
const watermarks = async (timestamp) => (await admin.listOffsets({ topics: [{ name: topic, partitions: [{ partitionIndex: 0, timestamp }] }] }))[0].partitions[0].offset;

const scenarios = {
  async hello() {
    assert.deepEqual(await producer({ autocreateTopics: true }).send({ messages: [{ topic, value: 'Hello World!', partition: 0 }], acks: -1 }), { offsets: [{ topic, partition: 0, offset: 0n }] });
    assert.deepEqual(texts(await take(1)), ['Hello World!']);
  },

  async assignment() {
    await create();
    await send(numbers(100).map(String));
    assert.deepEqual(texts(await take(2, {}, { mode: 'manual', offsets: [{ topic, partition: 0, offset: 98n }] })), ['98', '99']);
  },

  async group() {
    await create(2);
    await send(['a', 'b'], 0);
    await send(['c'], 1);
    assert.deepEqual(texts(await take(3)).sort(), ['a', 'b', 'c']);
    await send(['d'], 1);
    assert.deepEqual(texts(await take(1)), ['d']);
  },

  rebalance: () => rebalanceUnderLoad({ sessionTimeout: 6000, heartbeatInterval: 500 }),

  // KIP-848.
  rebalanceConsumerProtocol: () => rebalanceUnderLoad({ groupProtocol: 'consumer' }),

  async consumerProtocol() {
    await create(3);
    for (const partition of numbers(3)) await send(numbers(10).map(String), partition);
    const reader = consumer({ groupProtocol: 'consumer', groupRemoteAssignor: 'range' });
    const stream = await reader.consume({ topics: [topic], mode: 'earliest', autocommit: false });
    const messages = await collect(stream, 30);
    assert.equal(new Set(messages.map(({ partition, offset }) => `${partition}:${offset}`)).size, 30);
    const { groupType, state } = (await admin.listGroups({ types: ['consumer'] })).get(group);
    assert.deepEqual([groupType, state], ['consumer', 'STABLE']);
    await reader.close(true);
    assert.equal((await admin.listGroups({ types: ['consumer'] })).get(group).state, 'EMPTY');
  },

  async commits() {
    await create();
    await send(['a', 'b', 'c']);
    await admin.alterConsumerGroupOffsets({ groupId: group, topics: [{ name: topic, partitionOffsets: [{ partition: 0, offset: 2n }] }] });
    const [{ topics: [{ partitions: [{ committedOffset }] }] }] = await admin.listConsumerGroupOffsets({ groups: [group] });
    assert.equal(committedOffset, 2n);
    assert.deepEqual(texts(await take(1)), ['c']);
    await admin.deleteConsumerGroupOffsets({ groupId: group, topics: [{ name: topic, partitionIndexes: [0] }] });
    assert.deepEqual(texts(await take(3)), ['a', 'b', 'c']);
  },

  async autocommit() {
    await create();
    await send(numbers(50).map(String));
    const reader = consumer();
    const stream = await reader.consume({ topics: [topic], mode: 'earliest', autocommit: 100 });
    stream.on('data', () => {});
    const committed = async () => (await admin.listConsumerGroupOffsets({ groups: [group] }))[0].topics[0]?.partitions[0]?.committedOffset;
    await eventually(async () => (await committed()) === 50n, 'what was read is committed');
    await reader.close(true);
  },

  async compression() {
    await create();
    const values = numbers(500).map((i) => `${i} ${'x'.repeat(100)}`);
    const names = Object.values(CompressionAlgorithms).filter((name) => compressionsAlgorithms[name].available);
    assert.ok(names.length >= 4, names.join());
    for (const compression of names) await send(values, 0, { compression });
    assert.deepEqual(texts(await take(500 * names.length)), names.flatMap(() => values));
  },

  async headers() {
    await create();
    await producer().send({ messages: [{ topic, key: 'k', value: 'v', headers: { a: '1', empty: '' }, timestamp: 1_700_000_000_123n }, { topic, key: 'gone' }], acks: -1 });
    const [first, second] = await take(2);
    assert.deepEqual([...first.headers], [['a', '1'], ['empty', '']]);
    assert.deepEqual([first.key, first.value, first.timestamp], ['k', 'v', 1_700_000_000_123n]);
    assert.equal(second.key, 'gone');
    assert.ok(second.value === null || second.value === undefined || second.value === '', String(second.value));
  },

  async times() {
    await create();
    await producer().send({ messages: numbers(10).map((i) => ({ topic, value: String(i), timestamp: 1_700_000_000_000n + 1000n * BigInt(i) })), acks: -1 });
    assert.equal(await watermarks(1_700_000_004_500n), 5n);
    assert.deepEqual([await watermarks(ListOffsetTimestamps.EARLIEST), await watermarks(ListOffsetTimestamps.LATEST)], [0n, 10n]);
  },

  async large() {
    await create(1, [{ name: 'max.message.bytes', value: '6000000' }]);
    for (const size of [0, 1, 65_536, 1_000_000, 5_000_000]) await send(['x'.repeat(size)]);
    assert.deepEqual((await take(5, { maxBytesPerPartition: 100_000 })).map((message) => message.value.length), [0, 1, 65_536, 1_000_000, 5_000_000]);
    await assert.rejects(send(['x'.repeat(7_000_000)]), (error) => inspect(error, { depth: 9 }).includes('MESSAGE_TOO_LARGE'));
  },

  async batches() {
    await create(2);
    const sender = producer();
    for (let round = 0; round < 20; round++) {
      await sender.send({ messages: numbers(500).map((i) => ({ topic, value: String(round * 500 + i), partition: i % 2 })), acks: round % 2 ? 1 : -1 });
    }
    const messages = await take(10_000);
    for (const partition of [0, 1]) {
      const values = messages.filter((message) => message.partition === partition).map((message) => Number(message.value));
      assert.deepEqual(values, numbers(10_000).filter((i) => i % 2 === partition));
    }
  },

  async idempotence() {
    await create();
    const sender = producer({ idempotent: true });
    for (const i of numbers(50)) await sender.send({ messages: [{ topic, value: String(i), partition: 0 }] });
    assert.ok(sender.producerId >= 0n);
    assert.deepEqual(texts(await take(50)), numbers(50).map(String));
  },

  async transactions() {
    // Three rounds of consume, transform, produce: committed, rolled back, committed.
    const source = `${topic}.in`;
    await create(1, [], source);
    await create(2);
    await producer().send({ messages: numbers(30).map((i) => ({ topic: source, value: String(i), partition: 0 })), acks: -1 });
    const sender = producer({ idempotent: true, transactionalId: `tx.${run}` });
    const reader = consumer({ isolationLevel: FetchIsolationLevels.READ_COMMITTED });
    const messages = await collect(await reader.consume({ topics: [source], mode: 'earliest', autocommit: false }), 30);
    for (const [round, commits] of [[0, true], [1, false], [2, true]]) {
      const part = messages.slice(round * 10, round * 10 + 10);
      const transaction = await sender.beginTransaction();
      await transaction.addConsumer(reader);
      for (const { value } of part) await transaction.send({ messages: [{ topic, value: `copy ${value}`, partition: Number(value) % 2 }] });
      await transaction.addOffset(part.at(-1));
      await (commits ? transaction.commit() : transaction.abort());
      const expected = part.at(-1).offset + (commits ? 1n : -9n);
      await eventually(async () => (await admin.listConsumerGroupOffsets({ groups: [group] }))[0].topics[0]?.partitions[0].committedOffset === expected, `round ${round}: ${expected} is committed`);
    }

    await reader.close(true);
    const copies = numbers(30).filter((i) => i < 10 || i >= 20).map((i) => `copy ${i}`);
    const copied = await take(20, { groupId: `${group}.copies`, isolationLevel: FetchIsolationLevels.READ_COMMITTED });
    assert.deepEqual(texts(copied).sort(), copies.sort());
    const all = await take(30, { groupId: `${group}.all`, isolationLevel: FetchIsolationLevels.READ_UNCOMMITTED });
    assert.equal(all.length, 30);
  },

  async admin() {
    await create(3);
    await assert.rejects(create(3));
    assert.ok((await admin.listTopics()).includes(topic));
    const metadata = await admin.metadata({ topics: [topic] });
    assert.equal(metadata.topics.get(topic).partitionsCount, 3);
    assert.deepEqual([...metadata.brokers.values()].map(({ host, port }) => `${host}:${port}`), [server]);
    await send(['x']);
    const reader = consumer();
    await collect(await reader.consume({ topics: [topic], mode: 'earliest', autocommit: false }), 1);
    const described = (await admin.describeGroups({ groups: [group] })).get(group);
    assert.deepEqual([described.state, described.protocolType, described.members.size], ['STABLE', 'consumer', 1]);
    const [member] = described.members.values();
    assert.deepEqual([member.clientId, member.assignments.get(topic).partitions.sort()], ['interop', [0, 1, 2]]);
    await assert.rejects(admin.deleteGroups({ groups: [group] }));
    await reader.close(true);
    assert.equal((await admin.listGroups()).get(group).state, 'EMPTY');
    await admin.deleteGroups({ groups: [group] });
    assert.ok(!(await admin.listGroups()).has(group));
    await admin.deleteTopics({ topics: [topic] });
    await eventually(async () => !(await admin.listTopics()).includes(topic), 'the topic is gone');
  },

  async configs() {
    await create(1, [{ name: 'retention.ms', value: '123456' }]);
    const resource = { resourceType: ConfigResourceTypes.TOPIC, resourceName: topic };
    const retention = async () => {
      const [{ configs: [config] }] = await admin.describeConfigs({ resources: [{ ...resource, configurationKeys: ['retention.ms'] }], includeSynonyms: true, includeDocumentation: true });
      assert.ok(allowedConfigTypes.includes(config.configType));
      return config.value;
    };
    assert.equal(await retention(), '123456');
    await admin.alterConfigs({ resources: [{ ...resource, configs: [{ name: 'retention.ms', value: '654321' }] }] });
    await eventually(async () => (await retention()) === '654321', 'the configuration has changed');
    await admin.incrementalAlterConfigs({ resources: [{ ...resource, configs: [{ name: 'retention.ms', configOperation: IncrementalAlterConfigOperationTypes.SET, value: '777777' }] }] });
    await eventually(async () => (await retention()) === '777777', 'the configuration has changed again');
  },

  async partitions() {
    await create();
    await admin.createPartitions({ topics: [{ name: topic, count: 4, assignments: null }] });
    await eventually(async () => (await admin.metadata({ topics: [topic], forceUpdate: true })).topics.get(topic).partitionsCount === 4, 'there are more partitions');
    await send(['there'], 3);
    assert.equal((await take(1))[0].partition, 3);
  },

  async deleteRecords() {
    await create();
    await send(numbers(10).map(String));
    assert.deepEqual(await admin.deleteRecords({ topics: [{ name: topic, partitions: [{ partition: 0, offset: 7n }] }] }), [{ name: topic, partitions: [{ partition: 0, lowWatermark: 7n }] }]);
    assert.deepEqual([await watermarks(ListOffsetTimestamps.EARLIEST), await watermarks(ListOffsetTimestamps.LATEST)], [7n, 10n]);
    assert.deepEqual(texts(await take(3)), ['7', '8', '9']);
  },

  async quotas() {
    const entities = [{ entityType: 'client-id', entityName: run }];
    await admin.alterClientQuotas({ entries: [{ entities, ops: [{ key: 'producer_byte_rate', value: 1e6, remove: false }] }] });
    const described = await admin.describeClientQuotas({ components: [{ entityType: 'client-id', matchType: 0, match: run }] });
    assert.deepEqual(described.map(({ values }) => values), [[{ key: 'producer_byte_rate', value: 1e6 }]]);
  },
};

await scenarios[scenario]();
for (const client of closing) await client.close(true);
await admin.close();
clearTimeout(patience);
console.log(`ok ${scenario}`);

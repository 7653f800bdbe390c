// kafkajs's ways of using a broker, one scenario by name. Arguments: host:port, scenario. Prints "ok <scenario>" at the end.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { CompressionTypes, Kafka, logLevel } from 'kafkajs';

const [server, scenario] = process.argv.slice(2);
const run = randomUUID().slice(0, 8);
const topic = `kafkajs.${scenario}.${run}`;
const patience = setTimeout(() => {
  console.error(`${scenario} did not end in time`);
  process.exit(1);
}, 50_000);

const kafka = new Kafka({ clientId: 'interop', brokers: [server], logLevel: logLevel.ERROR });
const admin = kafka.admin();
const closing = [];

async function eventually(condition, what) {
  const deadline = Date.now() + 30_000;
  while (!(await condition())) {
    assert.ok(Date.now() < deadline, what);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function create(numPartitions = 1, configEntries = []) {
  assert.equal(await admin.createTopics({ topics: [{ topic, numPartitions, replicationFactor: 1, configEntries }], waitForLeaders: true }), true);
}

async function producer(options = {}) {
  const sender = kafka.producer(options);
  await sender.connect();
  closing.push(sender);
  return sender;
}

async function send(values, partition = 0, options = {}) {
  const sender = await producer();
  return sender.send({ topic, messages: values.map((value) => ({ value, partition })), ...options });
}

// Resolves with `count` messages as a member of a group.
async function take(count, { groupId = `group.${run}`, fromBeginning = true, autoCommit = true, seek, ...options } = {}) {
  const reader = kafka.consumer({ groupId, ...options });
  await reader.connect();
  await reader.subscribe({ topic, fromBeginning });
  const messages = [];
  await new Promise((resolve, reject) => {
    reader.run({
      autoCommit,
      eachMessage: async ({ partition, message }) => {
        messages.push({ partition, ...message });
        if (messages.length === count) resolve();
      },
    }).catch(reject);
    for (const [partition, offset] of seek ?? []) reader.seek({ topic, partition, offset: String(offset) });
  });
  await reader.disconnect();
  return messages;
}

const texts = (messages) => messages.map((message) => message.value.toString());
const numbers = (count) => Array.from({ length: count }, (_, i) => i);

const scenarios = {
  async hello() {
    const [result] = await send(['Hello World!']);
    assert.deepEqual([result.errorCode, result.baseOffset], [0, '0']);
    assert.deepEqual(texts(await take(1)), ['Hello World!']);
  },

  async assignment() {
    // kafkajs has no consumers without a group: seek is what it offers.
    await create();
    await send(numbers(100).map(String));
    assert.deepEqual(texts(await take(2, { seek: [[0, 98]] })), ['98', '99']);
  },

  async group() {
    await create(2);
    await send(['a', 'b'], 0);
    await send(['c'], 1);
    assert.deepEqual(texts(await take(3)).sort(), ['a', 'b', 'c']);
    await send(['d'], 1);
    assert.deepEqual(texts(await take(1)), ['d']);
  },

  async rebalance() {
    await create(4);
    const owned = [0, 0];
    const members = numbers(2).map(() => kafka.consumer({ groupId: `group.${run}`, sessionTimeout: 6000, heartbeatInterval: 500 }));
    for (const [i, member] of members.entries()) {
      member.on(member.events.GROUP_JOIN, ({ payload }) => {
        owned[i] = (payload.memberAssignment[topic] ?? []).length;
      });
      await member.connect();
      await member.subscribe({ topic });
      await member.run({ eachMessage: async () => {} });
    }
    await eventually(() => owned[0] === 2 && owned[1] === 2, 'both have their share');
    await members[0].disconnect();
    await eventually(() => owned[1] === 4, 'the one that is left has all');
    await members[1].disconnect();
  },

  async commits() {
    await create();
    await send(['a', 'b', 'c']);
    const groupId = `group.${run}`;
    await admin.setOffsets({ groupId, topic, partitions: [{ partition: 0, offset: '2' }] });
    const [{ partitions: [committed] }] = await admin.fetchOffsets({ groupId, topics: [topic] });
    assert.equal(committed.offset, '2');
    assert.deepEqual(texts(await take(1)), ['c']);
    await admin.resetOffsets({ groupId, topic, earliest: true });
    assert.deepEqual(texts(await take(3)), ['a', 'b', 'c']);
  },

  async compression() {
    // It brings gzip along; the others are plugins.
    await create();
    const values = numbers(500).map((i) => `${i} ${'x'.repeat(100)}`);
    await send(values, 0, { compression: CompressionTypes.GZIP });
    assert.deepEqual(texts(await take(500)), values);
  },

  async headers() {
    await create();
    const sender = await producer();
    await sender.send({ topic, messages: [{ key: 'k', value: 'v', headers: { a: ['1', '2'], empty: '' }, timestamp: '1700000000123' }, { key: 'gone', value: null }] });
    const [first, second] = await take(2);
    assert.deepEqual([first.headers.a.map(String), String(first.headers.empty)], [['1', '2'], '']);
    assert.deepEqual([String(first.key), first.timestamp], ['k', '1700000000123']);
    assert.deepEqual([String(second.key), second.value], ['gone', null]);
  },

  async times() {
    await create();
    const sender = await producer();
    await sender.send({ topic, messages: numbers(10).map((i) => ({ value: String(i), timestamp: String(1_700_000_000_000 + 1000 * i) })) });
    assert.deepEqual(await admin.fetchTopicOffsetsByTimestamp(topic, 1_700_000_004_500), [{ partition: 0, offset: '5' }]);
    assert.deepEqual(await admin.fetchTopicOffsets(topic), [{ partition: 0, offset: '10', high: '10', low: '0' }]);
  },

  async large() {
    await create(1, [{ name: 'max.message.bytes', value: '6000000' }]);
    for (const size of [0, 1, 65_536, 1_000_000, 5_000_000]) await send([Buffer.alloc(size, 120)]);
    assert.deepEqual((await take(5, { maxBytesPerPartition: 100_000 })).map((message) => message.value.length), [0, 1, 65_536, 1_000_000, 5_000_000]);
    await assert.rejects(send([Buffer.alloc(7_000_000)], 0), { type: 'MESSAGE_TOO_LARGE' });
  },

  async batches() {
    await create(2);
    const sender = await producer();
    for (let round = 0; round < 20; round++) {
      await sender.sendBatch({ topicMessages: [{ topic, messages: numbers(500).map((i) => ({ value: String(round * 500 + i), partition: i % 2 })) }], acks: round % 2 ? 1 : -1 });
    }
    const messages = await take(10_000);
    for (const partition of [0, 1]) {
      const values = messages.filter((message) => message.partition === partition).map((message) => Number(message.value));
      assert.deepEqual(values, numbers(10_000).filter((i) => i % 2 === partition));
    }
  },

  async idempotence() {
    await create();
    const sender = await producer({ idempotent: true, maxInFlightRequests: 1 });
    for (const i of numbers(50)) await sender.send({ topic, messages: [{ value: String(i) }] });
    assert.deepEqual(texts(await take(50)), numbers(50).map(String));
  },

  async admin() {
    await create(3);
    assert.equal(await admin.createTopics({ topics: [{ topic }] }), false);
    assert.ok((await admin.listTopics()).includes(topic));
    const { topics: [described] } = await admin.fetchTopicMetadata({ topics: [topic] });
    assert.equal(described.partitions.length, 3);
    const cluster = await admin.describeCluster();
    assert.equal(cluster.brokers.length, 1);
    assert.equal(`${cluster.brokers[0].host}:${cluster.brokers[0].port}`, server);
    await send(['x']);
    await take(1);
    const { groups } = await admin.listGroups();
    assert.ok(groups.some((group) => group.groupId === `group.${run}`));
    const { groups: [group] } = await admin.describeGroups([`group.${run}`]);
    assert.deepEqual([group.groupId, group.state, group.protocolType], [`group.${run}`, 'Empty', 'consumer']);
    await admin.deleteGroups([`group.${run}`]);
    await admin.deleteTopics({ topics: [topic] });
    await eventually(async () => !(await admin.listTopics()).includes(topic), 'the topic is gone');
  },

  async configs() {
    await create(1, [{ name: 'retention.ms', value: '123456' }]);
    const retention = async () => {
      const { resources: [resource] } = await admin.describeConfigs({ includeSynonyms: true, resources: [{ type: 2, name: topic, configNames: ['retention.ms'] }] });
      return resource.configEntries[0].configValue;
    };
    assert.equal(await retention(), '123456');
    await admin.alterConfigs({ resources: [{ type: 2, name: topic, configEntries: [{ name: 'retention.ms', value: '654321' }] }] });
    await eventually(async () => (await retention()) === '654321', 'the configuration has changed');
  },

  async partitions() {
    await create();
    await admin.createPartitions({ topicPartitions: [{ topic, count: 4 }] });
    await eventually(async () => (await admin.fetchTopicMetadata({ topics: [topic] })).topics[0].partitions.length === 4, 'there are more partitions');
    await send(['there'], 3);
    assert.equal((await take(1))[0].partition, 3);
  },

  async deleteRecords() {
    await create();
    await send(numbers(10).map(String));
    // It looks for leaders among the topics that it has met.
    await admin.fetchTopicOffsets(topic);
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '7' }] });
    assert.deepEqual(await admin.fetchTopicOffsets(topic), [{ partition: 0, offset: '10', high: '10', low: '7' }]);
    assert.deepEqual(texts(await take(3)), ['7', '8', '9']);
  },
};

await admin.connect();
closing.push(admin);
await scenarios[scenario]();
for (const client of closing) await client.disconnect();
clearTimeout(patience);
console.log(`ok ${scenario}`);

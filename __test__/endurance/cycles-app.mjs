export default () => new Response('x');

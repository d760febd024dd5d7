/** The tabs a first-time visitor finds: each runs by one click. */

export interface ReadyTab {
  query: string;
  variables: string | null;
  headers: string | null;
}

// GraphiQL takes a tab's title from the operation's name. The nested query is shown in its classic form, which has none, so its
// title comes from the comment: GraphiQL searches every line that does not begin with "#", hence the space in front.
const NESTED_QUERY = ` # Example query NestedQuery: a user,
 # their posts and each post's author
 # in one request: ▶ or Ctrl-Enter.
query {
  user(id: "123") {
    posts {
      title
      author {
        name
      }
    }
  }
}`;

const HOME_FEED = `# A page of your home feed: the token
# under Headers says who you are. For the
# next page, pass endCursor as "after".
query HomeFeed {
  feed(first: 10) {
    edges {
      cursor
      node {
        id
        title
        content
        createdAt
        likesCount
        author {
          name
          username
        }
        replies(first: 2) {
          content
          author {
            name
          }
        }
      }
    }
    pageInfo {
      hasNextPage
      endCursor
    }
  }
}`;

const CREATE_POST = `# Writes the post under Variables. Run
# LivePosts in a second window to see it
# arrive there.
mutation CreatePost($input: CreatePostInput!) {
  createPost(input: $input) {
    post {
      id
      title
      content
      createdAt
      author {
        name
        username
      }
    }
  }
}`;

const CREATE_POST_VARIABLES = `{
  "input": {
    "title": "Hello from GraphiQL",
    "content": "Written in the browser, delivered live to whoever is listening."
  }
}`;

const LIVE_POSTS = `# Public posts as they are written.
# Create some in a second window; the
# same button stops the stream.
subscription LivePosts {
  postAdded {
    id
    title
    content
    createdAt
    author {
      name
      username
    }
  }
}`;

function authorizationHeaders(demoToken: string | null): string {
  if (demoToken !== null) {
    return JSON.stringify({ Authorization: `Bearer ${demoToken}` }, null, 2);
  }
  return `{
  // The mutations signUp and signIn
  // answer with a token for this place:
  "Authorization": "Bearer YOUR-TOKEN"
}`;
}

/** The ready tabs in their order; those that act for a user carry the demo user's token, or a hint where to get one. */
export function readyTabs(demoToken: string | null): ReadyTab[] {
  const headers = authorizationHeaders(demoToken);
  // The first tab must need neither headers nor variables: GraphiQL fills its editors from elsewhere for the tab it opens with.
  return [
    { query: NESTED_QUERY, variables: null, headers: null },
    { query: HOME_FEED, variables: null, headers },
    { query: CREATE_POST, variables: CREATE_POST_VARIABLES, headers },
    { query: LIVE_POSTS, variables: null, headers: null },
  ];
}
